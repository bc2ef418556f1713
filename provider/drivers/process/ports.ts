import { z } from 'zod';
import type { Logger } from '../../core/context.ts';
import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';

/** Where a port of a restored tree is reached on its host. */
export interface Port {
  readonly protocol: 'tcp' | 'udp';
  /** An IPv4 address of the host; each of them where absent. */
  readonly address: string | undefined;
  readonly port: number;
  /** The one that the tree listens on. */
  readonly inside: number;
}

/** As podman and Compose write what a container publishes. */
const FORM =
  /^(?:(?<address>\d{1,3}(?:\.\d{1,3}){3}):)?(?:(?<port>\d{1,5}):)?(?<inside>\d{1,5})(?:\/(?<protocol>tcp|udp))?$/;
const HIGHEST = 65_535;
const isPort = (port: number): boolean => port >= 1 && port <= HIGHEST;

/** Undefined for what is no `[ADDRESS:][PORT:]PORT[/tcp|udp]`. */
export function parsePort(text: string): Port | undefined {
  const { address, port, inside, protocol } = FORM.exec(text)?.groups ?? {};
  const parsed: Port = {
    ...{ address, protocol: protocol === 'udp' ? 'udp' : 'tcp' },
    ...{ port: Number(port ?? inside), inside: Number(inside) },
  };
  const isAddress = address?.split('.').every((part) => Number(part) <= 255) ?? true;
  return isPort(parsed.port) && isPort(parsed.inside) && isAddress ? parsed : undefined;
}

/** Whether both want the same port of a host. */
function meet(a: Omit<Port, 'inside'>, b: Omit<Port, 'inside'>): boolean {
  const addresses = a.address === undefined || b.address === undefined || a.address === b.address;
  return a.port === b.port && a.protocol === b.protocol && addresses;
}

export const portsField = z
  .array(
    z
      .string()
      .refine(
        (text) => parsePort(text) !== undefined,
        'A port is [ADDRESS:][PORT:]PORT[/udp]: that of the host, then the one that the tree listens on.',
      ),
  )
  .refine((texts) => {
    const ports = texts.flatMap((text) => parsePort(text) ?? []);
    return ports.every((one, index) => ports.slice(0, index).every((other) => !meet(one, other)));
  }, 'A port of the host leads to one port only.')
  .optional()
  .describe(
    'Of a restore: connects the tree with the network of its host, as a router does. It is reached at these ports of the host ("8080:80", "127.0.0.1:5432", "53/udp"), and reaches what the host reaches unless egress is blocked. Changing it connects what runs anew, in place. Not set: nobody reaches it but the members that are restored with it, nor does it reach anybody.',
  )
  .meta({ role: 'network' });

/** What follows in the arguments of a script that connects a tree, or not. */
export function connectionArguments({ ports }: { readonly ports?: readonly string[] | undefined }): string[] {
  if (ports === undefined) return [];
  const told = ports
    .flatMap((text) => parsePort(text) ?? [])
    .map(({ protocol, address, port, inside }) => [protocol, address ?? '-', port, inside].join(','));
  return ['ports', ...told];
}

/** Of what such a script has printed: a port that nobody listens on leads to whoever will. */
export function warnOfSilentPorts(said: string, pidFile: string, host: Host, logger: Logger): void {
  for (const port of said.split('\n').filter((line) => line !== ''))
    logger.log('warn', `nothing of the restored tree listens on ${port} yet`, { pidFile, host: host.name });
}

/** Lines of a script for `runParts`, as `portProblems` reads them. */
export const LOOK_FOR_PORTS = `
part forwarding; cat /proc/sys/net/ipv4/ip_forward
part listening; ss -Htlnp | sed 's/^/tcp /'; ss -Hulnp | sed 's/^/udp /'
part led; grep -s '' /run/stasis/ports/* /dev/null
`;

/** What of a host is in use, and by whom. */
interface Taken extends Pick<Port, 'protocol' | 'address' | 'port'> {
  readonly by: string;
}

/**
 * What keeps a restored tree from being connected as its target says.
 * @param predecessor what it takes the place of: the processes, and the group of those that a restore has made
 */
export function portProblems(
  ports: readonly string[] | undefined,
  parts: ReadonlyMap<string, string>,
  host: Host,
  predecessor: { readonly pids: readonly number[]; readonly group: string | undefined },
): StasisError[] {
  if (ports === undefined) return [];
  const problems: StasisError[] = [];
  if (parts.get('forwarding')?.trim() !== '1')
    problems.push(
      new StasisError('process.no-forwarding', `${host.name} passes no packets on for others.`, {
        hint: 'Allow it: sysctl -w net.ipv4.ip_forward=1, and in /etc/sysctl.d to keep it so.',
        at: ['ports'],
      }),
    );
  const taken = [
    ...listening(parts.get('listening') ?? '', new Set(predecessor.pids)),
    ...led(parts.get('led') ?? '', predecessor.group),
  ];
  for (const [index, text] of ports.entries()) {
    const wanted = parsePort(text);
    const other = wanted && taken.find((one) => meet(one, wanted));
    if (other)
      problems.push(
        new StasisError('process.port-taken', `Port ${other.port} of ${host.name} is taken by ${other.by}.`, {
          hint: 'Give another port, or another address of the host.',
          at: ['ports', String(index)],
        }),
      );
  }
  return problems;
}

const ANY = ['0.0.0.0', '*', '[::]'];

/** Lines of `ss`: `tcp LISTEN 0 128 127.0.0.1%lo:53 0.0.0.0:* users:(("dns",pid=7,fd=3))`. */
function listening(printed: string, own: ReadonlySet<number>): Taken[] {
  return printed.split('\n').flatMap((line) => {
    const [protocol, , , , local = '', , users = ''] = line.trim().split(/\s+/);
    const [, said = '', port] = /^(.*):(\d+)$/.exec(local) ?? [];
    const pids = [...users.matchAll(/pid=(\d+)/g)].map(([, pid]) => Number(pid));
    if (port === undefined || (pids.length > 0 && pids.every((pid) => own.has(pid)))) return [];
    const address = said.replace(/%.*/, '').replace(/^\[::ffff:(.*)\]$/, '$1');
    const [, name = 'a program'] = /"([^"]*)"/.exec(users) ?? [];
    const by = pids.length > 0 ? `${name} (${pids[0]})` : name;
    return [{ ...taken(protocol, ANY.includes(address) ? undefined : address, port), by }];
  });
}

/** Lines of what `connect` has written down: FILE:PROTOCOL ADDRESS PORT. */
function led(printed: string, own: string | undefined): Taken[] {
  return printed.split('\n').flatMap((line) => {
    const [, group, protocol, address, port] = /^(?:.*\/)?([^/:]+):(tcp|udp) (\S+) (\d+)$/.exec(line) ?? [];
    if (port === undefined || group === own) return [];
    return [{ ...taken(protocol, address === '-' ? undefined : address, port), by: 'another restored tree' }];
  });
}

function taken(protocol: string | undefined, address: string | undefined, port: string): Omit<Taken, 'by'> {
  return { protocol: protocol === 'udp' ? 'udp' : 'tcp', address, port: Number(port) };
}
