import type { Host } from '../core/host.ts';
import { NAMESPACES, namespacesOf } from './facts.ts';
import { runParts } from './machine.ts';

/** What the machine offers, whatever the tree. */
export interface Surroundings {
  /** Where version 2 of control groups is mounted; undefined where it is not. */
  readonly groups: string | undefined;
  readonly uid: number;
  /** Whether what we run may look at the limits of other users' processes (CAP_SYS_RESOURCE). */
  readonly seesLimits: boolean;
  readonly bootId: string;
  /** What our own commands see, by kind. */
  readonly namespaces: Readonly<Record<string, string>>;
}

const CAP_SYS_RESOURCE = 24n;

/** Parts of a script that `surroundingsOf` reads. */
export const SURROUNDINGS = `
part groups; sed -n 's/^[^ ]* [^ ]* [^ ]* \\([^ ]*\\) \\([^ ]*\\) .* - cgroup2 .*/\\1 \\2/p' /proc/self/mountinfo
part status; cat /proc/self/status
part boot; cat /proc/sys/kernel/random/boot_id
part namespaces; for n in ${NAMESPACES.join(' ')}; do printf '%s ' $n; readlink /proc/self/ns/$n || echo none; done
`;

export async function surroundingsOn(host: Host, signal: AbortSignal): Promise<Surroundings> {
  return surroundingsOf(await runParts(host, SURROUNDINGS, [], signal));
}

export function surroundingsOf(parts: ReadonlyMap<string, string>): Surroundings {
  const status = parts.get('status') ?? '';
  const capabilities = BigInt(`0x${/^CapEff:\s+(\w+)/m.exec(status)?.[1] ?? '0'}`);
  const [, point] = (parts.get('groups') ?? '').trim().split('\n')[0]?.split(' ') ?? [];
  return {
    groups: point,
    uid: Number(/^Uid:\s+\d+\s+(\d+)/m.exec(status)?.[1] ?? -1),
    seesLimits: ((capabilities >> CAP_SYS_RESOURCE) & 1n) === 1n,
    bootId: parts.get('boot')?.trim() ?? '',
    namespaces: namespacesOf(parts.get('namespaces') ?? ''),
  };
}
