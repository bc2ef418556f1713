import { z } from 'zod';
import type { FingerprintEntry } from '../../core/fingerprint.ts';
import { digestOf } from '../../core/fingerprint-digest.ts';
import type { Definition } from './definition.ts';
import type { Container } from './podman.ts';

/** What of podman's description of a container is its own, and not a matter of the host or of the day. */
const SETTINGS = ['process', 'hostname', 'linux'] as const;
/** Within those: names of this host's groups and namespaces. */
const OF_THE_HOST = new Set(['cgroupsPath', 'namespaces', 'mountLabel', 'selinuxLabel', 'apparmorProfile']);
const CONFIG = [
  ...['labels', 'entrypoint', 'command', 'stopSignal', 'stopTimeout', 'user', 'workDir', 'umask', 'timezone'],
  ...['restart_policy', 'restartPolicy', 'healthcheck', 'namedVolumes', 'imageVolumes', 'shmSize'],
  ...['newNetworks', 'newPortMappings', 'portMappings', 'portmappings'],
  ...['hostsAdd', 'dnsServer', 'dnsSearch', 'dnsOption'],
];

/** In a pod its own. One by itself may be restored under another name, and is the same all the same. */
export function nameInFingerprint({ Name, Pod }: Container): string {
  return Pod === '' ? 'container' : Name;
}

/** The image, and every setting of the container that it was made with. Values are digests: some are secrets. */
export function fingerprintDefinition(
  name: string,
  container: Container,
  definition: Definition,
): FingerprintEntry[] {
  const spec = jsonOf(definition, 'spec.dump');
  const config = jsonOf(definition, 'config.dump');
  const entry = (object: string, value: unknown): FingerprintEntry => ({
    object: `${name}/config/${object}`,
    digest: digestOf(stable(value)),
  });
  return [
    { object: `${name}/image`, digest: digestOf(container.Image), facts: { image: container.Image } },
    ...SETTINGS.flatMap((key) => (spec[key] === undefined ? [] : [entry(`spec/${key}`, spec[key])])),
    ...CONFIG.flatMap((key) => (config[key] === undefined ? [] : [entry(key, config[key])])),
    entry('spec/root', (spec.root as { readonly?: boolean } | undefined)?.readonly === true),
    ...mountsOf(container, spec.mounts).map(([place, what]) => entry(`mount${place}`, what)),
    ...Object.entries(container.NetworkSettings?.Networks ?? {}).map(([network, { IPAddress }]) =>
      entry(`network/${network}`, IPAddress),
    ),
  ];
}

/** What podman tells of, and file systems in memory, which it does not. */
function mountsOf({ Mounts }: Container, specified: unknown): [string, unknown][] {
  const inMemory = z.array(mountInMemory.or(z.unknown().transform(() => undefined))).safeParse(specified);
  return [
    ...new Map<string, unknown>([
      ...(inMemory.data ?? []).flatMap((mount): [string, unknown][] =>
        mount === undefined ? [] : [[mount.destination, [mount.type, mount.options]]],
      ),
      ...(Mounts ?? []).map(({ Type, Name, Source, Destination, RW }): [string, unknown] => [
        Destination,
        [Type, Type === 'volume' ? Name : Source, RW],
      ]),
    ]),
  ];
}

/** Of a container's description as the OCI has it (runtime-spec, config.md, "Mounts"). */
const mountInMemory = z.object({
  type: z.literal('tmpfs'),
  destination: z.string(),
  options: z.array(z.string()).optional(),
});

function jsonOf(definition: Definition, name: string): Record<string, unknown> {
  return JSON.parse(definition.get(name)?.toString('utf8') ?? '{}') as Record<string, unknown>;
}

/**
 * By which podman lets a container be found in its networks: its own number here, whatever it is named, and its host name,
 * which it adds once more whenever it makes the container.
 */
const SHORT_ID = /^[0-9a-f]{12}$/;

/** podman writes the variables of an environment in no order. Of one that is there twice, which is first counts. */
function byVariable(environment: readonly unknown[]): string[] {
  const variable = (line: string): string => line.split('=', 1)[0]!;
  return environment.map(String).sort((a, b) => {
    const [one, other] = [variable(a), variable(b)];
    if (one === other) return 0;
    return one < other ? -1 : 1;
  });
}

/** JSON with sorted keys, without what is the host's. */
function stable(value: unknown): string {
  return JSON.stringify(value, (key, inner: unknown) => {
    if (OF_THE_HOST.has(key)) return undefined;
    if (key === 'env' && Array.isArray(inner)) return byVariable(inner);
    if (key === 'aliases' && Array.isArray(inner)) {
      const names = [...new Set(inner.map(String))].filter((name) => !SHORT_ID.test(name)).sort();
      return names.length === 0 ? undefined : names;
    }
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}
