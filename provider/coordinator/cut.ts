import type { Certificate, Judgement, Pause, Tie } from '../core/certificate.ts';
import type { Context } from '../core/context.ts';
import type { EpochReading } from '../core/driver.ts';
import { StasisError } from '../core/errors.ts';
import { judge, longestPauseMs } from '../core/judgement.ts';
import { nsToMs } from '../core/units.ts';
import { sleep } from '../core/wait.ts';
import { withHolds } from './hold.ts';
import type { CutLimits, Participant } from './member.ts';
import { readEpochs, takeMarks } from './readings.ts';
import { type Observation, tiesOf } from './ties.ts';

export interface Cut {
  readonly observations: ReadonlyMap<string, Observation>;
  readonly pauses: readonly Pause[];
  readonly judgement: Judgement;
  /** How many cuts were tried, this one included. */
  readonly tries: number;
}

/** Bounds of the search. A quiet moment of three busy servers took at most 74 ms to find (reference/freeze.md). */
const UNPAUSED_TRIES = 400;
const UNPAUSED_SEARCH_MS = 10_000;
/** Every locked try forks or snapshots something; more than this many is no longer gentle. */
const LOCKED_TRIES = 12;
/**
 * Within one lock, the quiet moment of the others is looked for this long at the first try, and longer at each further
 * one, up to a share of the pause allowed. Three busy servers took 8 ms at the median (reference/freeze.md).
 */
const SEARCH_MS = 25;
const SEARCH_SHARE_OF_PAUSE = 0.25;
/** The application gets this many times the last pause to itself before it is paused again, within bounds. */
const REST_FACTOR = 10;
const REST_MS = 1_000;
/** Readings that cost more than this are taken outside of locks. */
const FAST_READING_MS = 3;
/** A probe for quiet before a costly mark without any lock: about as long as such a mark takes. */
const QUIET_PROBE_MS = 10;

/**
 * Finds one instant that fits all members, by the gentlest way that is sharp: first with nothing paused, then with
 * those locked that can be, for as short as it goes. Tries and time are bounded. On return nothing is held.
 *
 * Where blur is accepted and no try was sharp, it returns the last try, whose marks the sessions still have; members
 * without any tie in it are to be read as they change.
 *
 * @throws StasisError `cut.not-sharp` when no try was sharp enough, `cut.pause-too-long` past `maxPauseMs`.
 */
export async function findCut(
  participants: readonly Participant[],
  limits: CutLimits,
  context: Context,
): Promise<Cut> {
  const holdable = participants.filter(({ session }) => session.hold);
  let last = await findUnpaused(participants, holdable.length > 0 ? 1 : UNPAUSED_TRIES, limits, context);
  if (!last?.judgement.sharp && holdable.length > 0)
    last = await findLocked(participants, holdable, limits, last?.tries ?? 0, context);
  if (last && (last.judgement.sharp || limits.maxBlurMs > 0)) return last;
  throw notSharp(participants, last);
}

/** The optimistic cut: marks between two equal epochs, as often as it takes within the bounds. */
async function findUnpaused(
  participants: readonly Participant[],
  tries: number,
  limits: CutLimits,
  context: Context,
): Promise<Cut | undefined> {
  if (!(await mayBeSharpUnpaused(participants, context))) return undefined;
  const deadlineNs = context.clock.nowNs() + UNPAUSED_SEARCH_MS * 1e6;
  let last: Cut | undefined;
  for (let tried = 1; tried <= tries && context.clock.nowNs() < deadlineNs; tried += 1) {
    last = { ...(await tryCut(participants, [], limits, context)), tries: tried };
    if (last.judgement.sharp) return last;
    await sleep(Math.random() * 2, context.signal);
  }
  return last;
}

/**
 * Whether a cut with nothing paused has a chance: at most one member without epochs, and where such a member's mark
 * is costly (it could be locked as well), the others are quiet right now.
 */
async function mayBeSharpUnpaused(participants: readonly Participant[], context: Context): Promise<boolean> {
  const blind = participants.filter(({ session }) => !session.watch);
  if (blind.length > 1) return !participants.some(({ session }) => session.hold);
  if (!blind.some(({ session }) => session.hold)) return true;
  const watched = participants.filter(({ session }) => session.watch);
  const before = await readEpochs(watched, context.signal);
  await sleep(QUIET_PROBE_MS, context.signal);
  const after = await readEpochs(watched, context.signal);
  return watched.every(({ member }) => before.get(member.name)?.value === after.get(member.name)?.value);
}

async function findLocked(
  participants: readonly Participant[],
  holdable: readonly Participant[],
  limits: CutLimits,
  triesBefore: number,
  context: Context,
): Promise<Cut | undefined> {
  let last: Cut | undefined;
  for (let tried = 1; tried <= LOCKED_TRIES; tried += 1) {
    const how: Try = {
      searchMs: Math.min(limits.maxPauseMs * SEARCH_SHARE_OF_PAUSE, SEARCH_MS * tried),
      slowWithin: last !== undefined && untied(last.observations).length > 0,
    };
    last = { ...(await tryCut(participants, holdable, limits, context, how)), tries: triesBefore + tried };
    if (last.judgement.sharp) return last;
    context.logger.log('debug', 'this cut was not sharp', { tried, findings: last.judgement.findings });
    await sleep(
      Math.min(REST_MS, REST_FACTOR * longestPauseMs(last.pauses)) + Math.random() * 5,
      context.signal,
    );
  }
  return last;
}

interface Try {
  /** How long a quiet moment of those that run on is looked for within the holds. */
  readonly searchMs: number;
  /** Whether slow readings are taken within the holds as well. */
  readonly slowWithin: boolean;
}

/**
 * One try: readings, holds, marks, evidence, thaw, readings. Whatever happens, nothing is held afterwards. Slow
 * readings are taken outside of the holds, unless `slowWithin`: a folder that is still only as long as those who write
 * to it are held up by a locked member shows that only within.
 */
async function tryCut(
  participants: readonly Participant[],
  holding: readonly Participant[],
  limits: CutLimits,
  context: Context,
  { searchMs, slowWithin }: Try = { searchMs: 0, slowWithin: false },
): Promise<Omit<Cut, 'tries'>> {
  const free = participants.filter((participant) => !holding.includes(participant));
  const costly = free.filter(({ session }) => session.watch && session.watch.costMs > FAST_READING_MS);
  const slow = slowWithin ? [] : costly;
  const fast = free.filter((participant) => !slow.includes(participant));

  // Those that will be read within are read now as well: what a session remembers of this, it need not do then.
  const before = await readEpochs(costly, context.signal);
  const held = await withHolds(holding, limits, context, (signal) =>
    markAll(fast, slow, holding, searchMs, signal, context),
  );
  const after = await readEpochs(slow, context.signal);

  const observations = new Map(held.observations);
  for (const { member } of slow) {
    const marks = observations.get(member.name)?.marks ?? [];
    observations.set(member.name, { epochs: [before.get(member.name)!, after.get(member.name)!], marks });
  }
  const ties = Object.fromEntries(
    [...observations].map(([name, observation]) => [name, tiesOf(observation)]),
  );
  return { observations, pauses: held.pauses, judgement: judge(certificateOf(ties, held.pauses, context)) };
}

export function certificateOf(
  members: Readonly<Record<string, readonly Tie[]>>,
  pauses: readonly Pause[],
  context: Context,
): Certificate {
  const startedAt = new Date(context.clock.wallMs() - nsToMs(context.clock.nowNs())).toISOString();
  return { formatVersion: 1, startedAt, members, pauses };
}

/** Marks of those that run on, once a quiet moment fits them all; then marks of those that are held. */
async function markAll(
  fast: readonly Participant[],
  slow: readonly Participant[],
  holding: readonly Participant[],
  searchMs: number,
  signal: AbortSignal,
  context: Context,
): Promise<Map<string, Observation>> {
  const searchUntilNs = context.clock.nowNs() + searchMs * 1e6;
  const slowMarks = await takeMarks(slow, signal);
  let observations = await markFast(fast, signal);
  // Without holds the search is the caller's; within a lock, trying again is cheaper than locking again.
  while (holding.length > 0 && wanting(observations) && context.clock.nowNs() < searchUntilNs)
    observations = await markFast(fast, signal, observations);
  for (const [name, marks] of slowMarks) observations.set(name, { epochs: [], marks });
  for (const [name, marks] of await takeMarks(holding, signal)) observations.set(name, { epochs: [], marks });
  return observations;
}

/** Marks between two readings of all that can be watched. The first may be the last one of a try just before. */
async function markFast(
  fast: readonly Participant[],
  signal: AbortSignal,
  earlier?: ReadonlyMap<string, Observation>,
): Promise<Map<string, Observation>> {
  // One single mark needs no epoch: it is sharp by itself inside the holds of the others.
  const watched =
    fast.length > 1 || fast.some(({ session }) => !session.mark)
      ? fast.filter(({ session }) => session.watch)
      : [];
  const before = earlier ? lastEpochs(earlier) : await readEpochs(watched, signal);
  const marks = await takeMarks(fast, signal);
  const after = await readEpochs(watched, signal);
  return new Map(
    fast.map(({ member }) => {
      const epochs = [before.get(member.name), after.get(member.name)].filter(
        (reading) => reading !== undefined,
      );
      return [member.name, { epochs, marks: marks.get(member.name) ?? [] }];
    }),
  );
}

function lastEpochs(observations: ReadonlyMap<string, Observation>): Map<string, EpochReading> {
  const last = new Map<string, EpochReading>();
  for (const [name, { epochs }] of observations) {
    const reading = epochs.at(-1);
    if (reading) last.set(name, reading);
  }
  return last;
}

/** Whether these cannot be sharp: one is not tied at all, or more than one was marked and not shown to be still. */
function wanting(observations: ReadonlyMap<string, Observation>): boolean {
  const uncovered = [...observations.values()].filter(
    (observation) => !tiesOf(observation).some((tie) => tie.tie === 'hold'),
  );
  return uncovered.length > 1 || untied(observations).length > 0;
}

/** Members that nothing ties to time: they have no marks, and their epochs moved. */
function untied(observations: ReadonlyMap<string, Observation>): string[] {
  return [...observations]
    .filter(([, observation]) => tiesOf(observation).length === 0)
    .map(([name]) => name);
}

function notSharp(participants: readonly Participant[], last: Cut | undefined): StasisError {
  const restless = (last?.judgement.findings ?? []).map((finding) => finding.message);
  const unlockable = participants.filter(({ session }) => !session.hold).map(({ member }) => member.name);
  return new StasisError(
    'cut.not-sharp',
    `No instant was found that fits all members within the bounds of the search${restless.length > 0 ? `: ${restless.join('; ')}` : ''}.`,
    {
      hint: `Members that cannot be held (${unlockable.join(', ')}) were never quiet for long enough: capture at a quieter time, or accept blur with maxBlurMs.`,
      at: ['members'],
    },
  );
}
