import { z } from 'zod';
import type { Clock } from '../core/context.ts';
import { StasisError } from '../core/errors.ts';
import { digestOf } from '../core/fingerprint-digest.ts';
import type { Host } from '../core/host.ts';
import { Freezer, MARK_OF } from './freezer.ts';
import { runScript } from './machine.ts';

/** Control groups that are about to be frozen for good; in a journal. */
const entrySchema = z.object({
  fencedGroups: z.array(z.object({ group: z.string(), home: z.string().optional() })).min(1),
});

export type FencedGroups = z.infer<typeof entrySchema>;

/** Undefined for what is no entry of a fence. */
export function parseFencedGroups(entry: unknown): FencedGroups | undefined {
  return entrySchema.safeParse(entry).data;
}

/** GROUP...: marks all, freezes all, and waits for it; what cannot be frozen in time is let go. Marks of ended groups go. */
const RAISE = `
${MARK_OF}
mkdir -p -m 700 /run/stasis || exit 1
for mark in /run/stasis/fence-*; do read -r group < "$mark" && { [ -d "$group" ] || rm -f -- "$mark"; }; done 2> /dev/null
frozen() { while read -r key value; do [ "$key $value" != 'frozen 1' ] || return 0; done < "$1/cgroup.events"; return 1; }
each() { work=$1; shift; for group; do $work "$group" || return 1; done; }
mark() { printf '%s\\n' "$1" > "$(mark_of "$1")"; }
freeze() { echo 1 > "$1/cgroup.freeze"; }
wait_for() {
  n=0
  until frozen "$1"; do n=$((n + 1)); [ $n -lt 4000 ] || return 1; [ $n -lt 200 ] || sleep 0.001; done
}
let_go() { rm -f -- "$(mark_of "$1")"; echo 0 > "$1/cgroup.freeze"; }
each mark "$@" && each freeze "$@" && each wait_for "$@" && exit 0
each let_go "$@"
exit 3
`;

/** GROUP...: what has ended meanwhile is fine. */
const LIFT = `
${MARK_OF}
for group; do
  [ -d "$group" ] || continue
  rm -f -- "$(mark_of "$group")"
  echo 0 > "$group/cgroup.freeze"
done
`;

/**
 * Freezes control groups until `liftGroups`, whatever becomes of us.
 * @throws StasisError `runtime.not-frozen`
 */
export async function raiseGroups(groups: readonly string[], host: Host, signal: AbortSignal): Promise<void> {
  try {
    await runScript(host, RAISE, groups, { signal });
  } catch (error) {
    if (!(error instanceof StasisError) || error.details.status !== 3) throw error;
    throw new StasisError('runtime.not-frozen', 'The processes could not be frozen in time.', {
      hint: 'One of them may wait for a device or a network file system.',
      cause: error,
    });
  }
}

/** Idempotent. */
export async function liftGroups(groups: readonly string[], host: Host, signal: AbortSignal): Promise<void> {
  await runScript(host, LIFT, groups, { signal });
}

/** Equal to what the capture of groups that were left frozen has read at its end, where nothing in them ran since. */
export async function readStopped(groups: readonly string[], host: Host, clock: Clock): Promise<string> {
  const values: string[] = [];
  for (const group of groups) {
    await using freezer = await Freezer.open(host, group, clock);
    const { frozen, value } = await freezer.read();
    values.push(frozen ? value : 'it runs');
  }
  return stoppedOf(values);
}

export function stoppedOf(values: readonly string[]): string {
  return digestOf(...values);
}
