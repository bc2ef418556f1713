import { command } from './command.ts';

/** Private addresses (RFC 1918), the parts that few use first; then those for measuring networks (RFC 2544). */
const FIRST = ['10.83', '172.29', '192.168', '198.18'];
const OFFERED = 64;

/** Subnets (the first three parts) that this machine has no address in and no route to, for a lab to choose from. */
export async function freeSubnets(): Promise<readonly string[]> {
  const told = await Promise.all([
    command(['ip', '-4', '-oneline', 'address', 'show']),
    command(['ip', '-4', '-oneline', 'route', 'show', 'table', 'all']),
  ]);
  const taken = [...told.join('\n').matchAll(/\b(\d+\.\d+\.\d+\.\d+)(?:\/(\d+))?/g)].map(
    ([, address, bits]) => ({
      address: numberOf(address ?? ''),
      bits: Number(bits ?? 32),
    }),
  );
  const all = FIRST.flatMap((first) => Array.from({ length: 256 }, (_, third) => `${first}.${third}`));
  const free = all.filter((subnet) => {
    const first = numberOf(`${subnet}.0`);
    return !taken.some(({ address, bits }) => overlap(address, bits, first));
  });
  return free.slice(0, OFFERED);
}

/** Whether a network has addresses of a /24 in it. The default route has no bits and reaches everything: no clash. */
function overlap(address: number, bits: number, subnet: number): boolean {
  if (bits === 0) return false;
  const sizeAddresses = 2 ** (32 - Math.min(bits, 24));
  return Math.floor(address / sizeAddresses) === Math.floor(subnet / sizeAddresses);
}

function numberOf(address: string): number {
  return address.split('.').reduce((number, part) => number * 256 + Number(part), 0);
}
