import type { Host } from '../../../core/host.ts';
import { addShared, type Processes, STATUS_FIELDS, type Unseen, unseenOf } from '../mappings.ts';
import { codeOf, gatherParts, LOOK_MS, type Part } from './commands.ts';

/**
 * Of all processes, the mappings both shared and writable; and of those that must not be looked at, who they are.
 * What grep says of them goes another way than what it finds.
 */
export const PROCESSES = `
exec 3>&1
part maps
denied=$(LC_ALL=C grep -a -h '^[^ ]* .w.s ' /proc/[0-9]*/maps 2>&1 >&3 3>&-)
part denied; printf '%s\\n' "$denied"
part status
case $denied in
  *denied*|*permitted*) LC_ALL=C grep -a -s -H -E '^(${STATUS_FIELDS.join('|')}):' /proc/[0-9]*/status ;;
esac
`;

export async function processesFar(host: Host, signal: AbortSignal): Promise<Processes> {
  const part = await gatherParts(host, PROCESSES, [], { signal, timeoutMs: LOOK_MS });
  return processesIn(part);
}

/** Of the parts that PROCESSES prints. */
export function processesIn(part: Part): Processes {
  const shared = new Map<bigint, Set<string>>();
  addShared(shared, part('maps').toString('latin1'));
  const statuses = statusesIn(part('status').toString('latin1'));
  const unseen: Unseen[] = [];
  for (const line of part('denied').toString('latin1').split('\n')) {
    const pid = /\/proc\/(\d+)\/maps: /.exec(line)?.[1];
    // Any other error is that of a process which has ended meanwhile.
    if (pid === undefined || !DENIED.includes(codeOf(line))) continue;
    const identity = unseenOf(Number(pid), (of) => statuses.get(of));
    if (identity) unseen.push(identity);
  }
  return { shared, unseen };
}

const DENIED: readonly (string | undefined)[] = ['EACCES', 'EPERM'];

function statusesIn(text: string): Map<number, string> {
  const statuses = new Map<number, string>();
  for (const line of text.split('\n')) {
    const [, pid, field] = /^\/proc\/(\d+)\/status:(.*)$/.exec(line) ?? [];
    const key = Number(pid);
    if (pid !== undefined) statuses.set(key, `${statuses.get(key) ?? ''}${field}\n`);
  }
  return statuses;
}
