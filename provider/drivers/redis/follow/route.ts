import { BlockList, connect, isIPv6 } from 'node:net';
import { within } from '../../../core/wait.ts';
import { CONNECT_MS } from '../connection.ts';
import { parseTarget, type RedisSpec } from '../spec.ts';

/** Addresses as the two ends of a connection see them. */
export interface Route {
  readonly local: string;
  readonly peer: string;
}

/** Networks that are nobody else's (RFC 1918, RFC 4193), and loopback: what goes there in clear stays there. */
const PRIVATE = new BlockList();
for (const [network, prefix] of [
  ['127.0.0.0', 8],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const)
  PRIVATE.addSubnet(network, prefix, 'ipv4');
PRIVATE.addAddress('::1', 'ipv6');
PRIVATE.addSubnet('fc00::', 7, 'ipv6');

export function isPrivate(address: string): boolean {
  return PRIVATE.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** How this machine reaches a target; whether the target reaches it by the same addresses, only a try tells. */
export async function routeTo(spec: RedisSpec, signal: AbortSignal): Promise<Route> {
  const { host, port } = parseTarget(spec);
  const socket = connect({ host, port });
  try {
    await within(
      CONNECT_MS,
      'connecting',
      signal,
      () =>
        new Promise((resolve, reject) => {
          socket.once('connect', resolve);
          socket.once('error', reject);
        }),
    );
    const { localAddress = '', remoteAddress = '' } = socket;
    return { local: localAddress, peer: remoteAddress };
  } finally {
    socket.on('error', () => undefined);
    socket.destroy();
  }
}
