import type { Context } from '../core/context.ts';
import { StasisError } from '../core/errors.ts';
import { longestPauseMs } from '../core/judgement.ts';
import { sleep } from '../core/wait.ts';
import type { CutLimits, Participant } from './member.ts';
import type { Prober } from './probes.ts';
import { readEpochs } from './readings.ts';
import { type CopyHeld, type TriedCut, tryCut, untied } from './try.ts';
import { blindAmong, type Way, waysOf } from './ways.ts';

export interface Cut extends TriedCut {
  /** How many cuts were tried, this one included. */
  readonly tries: number;
}

/** Bounds of the search. A quiet moment of three busy servers took at most 74 ms to find (reference/freeze.md). */
const UNPAUSED_TRIES = 400;
const UNPAUSED_SEARCH_MS = 10_000;
/** Every try that holds somebody forks, dumps or snapshots something; more than this many is no longer gentle. */
const HELD_TRIES = 12;
/** Where a firmer way is left, a gentler one is tried this often. */
const GENTLER_TRIES = 3;
/**
 * Within one hold, the quiet moment of the others is looked for this long at the first try, and longer at each further
 * one, up to a share of the pause allowed. Three busy servers took 8 ms at the median (reference/freeze.md).
 */
const SEARCH_MS = 25;
const SEARCH_SHARE_OF_PAUSE = 0.25;
/** The application gets this many times the last pause to itself before it is paused again, within bounds. */
const REST_FACTOR = 10;
const REST_MS = 1_000;
/** A probe for quiet before a costly mark without any lock: about as long as such a mark takes. */
const QUIET_PROBE_MS = 10;

/**
 * Finds one instant that fits all members, by the gentlest way that is sharp: first with nothing paused but what has
 * to be frozen, then with those locked that can be, then with all frozen that can be, for as short as it goes. Tries
 * and time are bounded. On return nothing is held.
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
  copyHeld?: CopyHeld,
  prober?: Prober,
): Promise<Cut> {
  const ways = waysOf(participants);
  let last: Cut | undefined;
  for (const [index, way] of ways.entries()) {
    const firmest = index === ways.length - 1;
    const search = { participants, way, firmest, limits, triesBefore: last?.tries ?? 0, copyHeld, prober };
    last = (await (way.holding.length === 0 ? findUnpaused : findHeld)(search, context)) ?? last;
    if (last?.judgement.sharp && (last.steady || firmest)) return last;
  }
  if (last && limits.maxBlurMs > 0) return last;
  throw notSharp(participants, last);
}

/** The search by one way. */
interface Search {
  readonly participants: readonly Participant[];
  readonly way: Way;
  /** Whether no firmer way is left. */
  readonly firmest: boolean;
  readonly limits: CutLimits;
  readonly triesBefore: number;
  readonly copyHeld: CopyHeld | undefined;
  readonly prober: Prober | undefined;
}

/** Whether no further try of the same way is wanted: answers that are not the cut's are worth some, not many. */
function suffices(cut: Cut, tried: number): boolean {
  return cut.judgement.sharp && (cut.steady || tried >= GENTLER_TRIES);
}

/** The optimistic cut: marks between two equal epochs, as often as it takes within the bounds. */
async function findUnpaused(search: Search, context: Context): Promise<Cut | undefined> {
  const { participants, limits, firmest, prober } = search;
  if (!firmest && !(await mayBeSharpUnpaused(search, context))) return undefined;
  const tries = firmest ? UNPAUSED_TRIES : 1;
  const deadlineNs = context.clock.nowNs() + UNPAUSED_SEARCH_MS * 1e6;
  let last: Cut | undefined;
  for (let tried = 1; tried <= tries && context.clock.nowNs() < deadlineNs; tried += 1) {
    last = { ...(await tryCut({ participants, holding: [], limits, prober }, context)), tries: tried };
    if (suffices(last, tried)) return last;
    await sleep(Math.random() * 2, context.signal);
  }
  return last;
}

/**
 * Whether a cut with nothing paused has a chance: at most one member without epochs; and where a mark is costly (its
 * member could be locked as well), the others are quiet right now. One mark may stand uncovered: the costly one, if it
 * is the only one.
 */
async function mayBeSharpUnpaused({ participants, way }: Search, context: Context): Promise<boolean> {
  const blind = blindAmong(participants, way);
  if (blind.length > 1) return false;
  const costly = participants.filter(({ session }) => session.hold && session.mark);
  if (costly.length === 0) return true;
  const spared = blind.length === 0 && costly.length === 1 ? costly : [];
  const watched = participants.filter((one) => one.session.watch && !spared.includes(one));
  const before = await readEpochs(watched, context.signal);
  await sleep(QUIET_PROBE_MS, context.signal);
  const after = await readEpochs(watched, context.signal);
  return watched.every(({ member }) => before.get(member.name)?.value === after.get(member.name)?.value);
}

async function findHeld(search: Search, context: Context): Promise<Cut | undefined> {
  const { participants, way, firmest, limits, triesBefore, copyHeld, prober } = search;
  if (!firmest && blindAmong(participants, way).length > 1) return undefined;
  const tries = firmest ? HELD_TRIES : GENTLER_TRIES;
  let last: Cut | undefined;
  for (let tried = 1; tried <= tries; tried += 1) {
    const attempt = {
      participants,
      holding: way.holding,
      limits,
      searchMs: Math.min(limits.maxPauseMs * SEARCH_SHARE_OF_PAUSE, SEARCH_MS * tried),
      slowWithin: last !== undefined && untied(last.observations).length > 0,
      ...{ copyHeld, prober },
    };
    last = { ...(await tryCut(attempt, context)), tries: triesBefore + tried };
    if (suffices(last, tried)) return last;
    context.logger.log('debug', 'this cut was not sharp', { tried, findings: last.judgement.findings });
    await sleep(
      Math.min(REST_MS, REST_FACTOR * longestPauseMs(last.pauses)) + Math.random() * 5,
      context.signal,
    );
  }
  return last;
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
