import type { Host } from '../../core/host.ts';
import { runScript } from '../../runtime/machine.ts';
import type { NetworkContent, PodContent } from './content.ts';
import { type Network, type Pod, parseContainers } from './podman.ts';

/** The network that podman itself makes is everywhere. */
const PODMANS_OWN = 'podman';

export function networksOf(networks: readonly Network[]): NetworkContent[] {
  return networks
    .filter(({ name }) => name !== PODMANS_OWN)
    .map((network) => ({
      name: network.name,
      driver: network.driver,
      subnets: (network.subnets ?? []).map(({ subnet, gateway }) => ({
        subnet,
        ...(gateway === undefined ? {} : { gateway }),
      })),
      ipv6: network.ipv6_enabled,
      internal: network.internal,
      dns: network.dns_enabled,
      labels: network.labels ?? {},
      options: network.options ?? {},
    }));
}

/** What of a network that is there already is otherwise; undefined where it is the same. */
export function differenceOf(wanted: NetworkContent, found: Network): string | undefined {
  const [there] = networksOf([found]);
  const subnets = (network: NetworkContent): string =>
    network.subnets.map(({ subnet, gateway }) => `${subnet} by ${gateway ?? 'none'}`).join(', ');
  if (there === undefined || there.driver !== wanted.driver)
    return `driver ${found.driver} and not ${wanted.driver}`;
  if (subnets(there) !== subnets(wanted)) return `${subnets(there)} and not ${subnets(wanted)}`;
  if (there.internal !== wanted.internal) return wanted.internal ? 'not internal' : 'internal';
  return undefined;
}

export function createNetwork(network: NetworkContent): string[] {
  const pairs = (flag: string, map: Readonly<Record<string, string>>): string[] =>
    Object.entries(map).flatMap(([key, value]) => [flag, `${key}=${value}`]);
  return [
    ...['podman', 'network', 'create', '--driver', network.driver],
    ...network.subnets.flatMap(({ subnet, gateway }) => [
      ...['--subnet', subnet],
      ...(gateway === undefined ? [] : ['--gateway', gateway]),
    ]),
    ...(network.ipv6 ? ['--ipv6'] : []),
    ...(network.internal ? ['--internal'] : []),
    ...(network.dns ? [] : ['--disable-dns']),
    ...pairs('--label', network.labels),
    ...pairs('--opt', network.options),
    ...['--', network.name],
  ];
}

const INFRA = `podman container inspect -- "$1"`;

/** With the addresses that its infra container has: the pod's connections are bound to them. */
export async function podOf(pod: Pod, groups: string, host: Host, signal: AbortSignal): Promise<PodContent> {
  const [infra] = parseContainers(await runScript(host, INFRA, [pod.InfraContainerID], { signal }));
  const networks = Object.entries(infra?.NetworkSettings?.Networks ?? {});
  const ports = Object.entries(pod.InfraConfig?.PortBindings ?? {}).flatMap(([port, bindings]) =>
    (bindings ?? []).map(({ HostIp, HostPort }) => `${HostIp === '' ? '' : `${HostIp}:`}${HostPort}:${port}`),
  );
  return {
    name: pod.Name,
    hostname: pod.Hostname,
    labels: pod.Labels ?? {},
    share: pod.SharedNamespaces ?? [],
    ports,
    networks: networks.map(([name, { IPAddress, MacAddress }]) => {
      const own = [IPAddress && `ip=${IPAddress}`, MacAddress && `mac=${MacAddress}`].filter(Boolean);
      return own.length === 0 ? name : `${name}:${own.join(',')}`;
    }),
    group: pod.CgroupPath.replace(groups, ''),
  };
}

/** Started at once: what is restored into it needs its namespaces. */
export function createPod(pod: PodContent, name: string): string[] {
  return [
    ...['podman', 'pod', 'create', '--name', name, '--share', pod.share.join(',')],
    ...(pod.hostname === '' ? [] : ['--hostname', pod.hostname]),
    ...pod.ports.flatMap((port) => ['--publish', port]),
    ...pod.networks.flatMap((network) => ['--network', network]),
    ...Object.entries(pod.labels).flatMap(([key, value]) => ['--label', `${key}=${value}`]),
  ];
}
