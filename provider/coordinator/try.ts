import type { Certificate, Judgement, Pause, Tie } from '../core/certificate.ts';
import type { Context } from '../core/context.ts';
import type { EpochReading } from '../core/driver.ts';
import { judge } from '../core/judgement.ts';
import { nsToMs } from '../core/units.ts';
import { allSettledOrThrow } from './concurrently.ts';
import { drain } from './drain.ts';
import { withHolds } from './hold.ts';
import type { CutLimits, Participant } from './member.ts';
import { type Asked, isSteady, type Prober } from './probes.ts';
import { readEpochs, takeMarks } from './readings.ts';
import { type Observation, tiesOf } from './ties.ts';
import { holdsBy } from './ways.ts';

/** What one try observed, and what follows from it. */
export interface TriedCut {
  readonly observations: ReadonlyMap<string, Observation>;
  readonly pauses: readonly Pause[];
  readonly judgement: Judgement;
  /** Whether every probe was answered within a hold of its member: then all answers are those of the cut. */
  readonly steady: boolean;
}

/** Copies a member whose driver copies before the release: called while all are held, after the marks. */
export type CopyHeld = (participant: Participant, signal: AbortSignal) => Promise<void>;

export interface Attempt {
  readonly participants: readonly Participant[];
  readonly holding: readonly Participant[];
  readonly limits: CutLimits;
  /** How long a quiet moment of those that run on is looked for within the holds. */
  readonly searchMs?: number;
  /** Whether slow readings are taken within the holds as well. */
  readonly slowWithin?: boolean;
  readonly copyHeld?: CopyHeld | undefined;
  /** Asks what has to be asked while members are as the cut shows them. */
  readonly prober?: Prober | undefined;
}

/** Readings that cost more than this are taken outside of the holds; so are questions that start a program. */
const FAST_READING_MS = 3;

/**
 * One try: readings, holds, marks, evidence, thaw, readings. Whatever happens, nothing is held afterwards. Slow
 * readings are taken outside of the holds, unless `slowWithin`: a folder that is still only as long as those who write
 * to it are held up by a held member shows that only within.
 */
export async function tryCut(attempt: Attempt, context: Context): Promise<TriedCut> {
  const { participants, holding, limits } = attempt;
  const free = participants.filter((participant) => !holding.includes(participant));
  const costly = free.filter(
    (one) =>
      one.session.watch &&
      (one.session.watch.costMs > FAST_READING_MS || (!one.session.mark && attempt.prober?.asksLive(one))),
  );
  const slow = attempt.slowWithin ? [] : costly;
  const fast = free.filter((participant) => !slow.includes(participant));

  // Of whom no answer is to be had while he is held: before all readings, as it may take its time.
  const asked = (await attempt.prober?.askBefore(participants, context.signal)) ?? new Map();
  // Those that will be read within are read now as well: what a session remembers of this, it need not do then.
  const before = await readEpochs(costly, context.signal);
  const held = await withHolds(holding, limits, context, (signal) =>
    markAll({ ...attempt, fast, slow }, signal, context),
  );
  const observations = new Map(held.observations);
  const answers = await askAll(attempt, slow, context.signal);
  const after = await readEpochs(slow, context.signal);
  for (const { member } of slow) {
    const epochs = [before.get(member.name)!, after.get(member.name)!];
    const marks = observations.get(member.name)?.marks ?? [];
    observations.set(member.name, { epochs, marks, asked: answers.get(member.name) ?? [] });
  }
  const ties = Object.fromEntries(
    [...observations].map(([name, observation]) => [name, tiesOf(observation)]),
  );
  const certificate = certificateOf(ties, held.pauses, context);
  const judgement = judge(certificate);
  // Another try asks again; the last one without a sharp cut has nothing that answers could be of, unless blur is accepted.
  if (judgement.sharp || limits.maxBlurMs > 0)
    for (const [name, both] of (await attempt.prober?.askAfter(participants, asked, context.signal)) ?? [])
      observations.set(name, { ...observations.get(name)!, asked: both });
  return { observations, pauses: held.pauses, judgement, steady: isSteady(observations, certificate) };
}

/** What those answer that are asked while they are as they are. Nothing is held by that, and no failure is thrown. */
async function askAll(
  { prober, holding, limits }: Attempt,
  participants: readonly Participant[],
  signal: AbortSignal,
): Promise<Map<string, readonly Asked[]>> {
  const asked = await allSettledOrThrow(
    participants.filter((participant) => prober?.asksLive(participant)),
    signal,
    async (participant, own) => {
      const answers = await prober!.askLive(participant, holding.length > 0 ? limits : undefined, own);
      return [participant.member.name, answers] as const;
    },
  );
  return new Map(asked);
}

export function certificateOf(
  members: Readonly<Record<string, readonly Tie[]>>,
  pauses: readonly Pause[],
  context: Context,
): Certificate {
  const startedAt = new Date(context.clock.wallMs() - nsToMs(context.clock.nowNs())).toISOString();
  return { formatVersion: 1, startedAt, members, pauses };
}

interface Marking extends Attempt {
  readonly fast: readonly Participant[];
  readonly slow: readonly Participant[];
}

/** Marks of those that run on, once a quiet moment fits them all; then marks of those that are held. */
async function markAll(
  marking: Marking,
  signal: AbortSignal,
  context: Context,
): Promise<Map<string, Observation>> {
  const { fast, slow, holding, limits, searchMs = 0, copyHeld, prober } = marking;
  const searchUntilNs = context.clock.nowNs() + searchMs * 1e6;
  const clientsFrozen = holding.some((one) => holdsBy(one, 'frozen'));
  // One single mark beside locks is not searched for: all at once, so that nobody is held for the other's round trip.
  if (
    !clientsFrozen &&
    !holding.some(copiesHeld) &&
    fast.length <= 1 &&
    fast.every((participant) => participant.session.mark && !prober?.asksLive(participant))
  )
    return withAnswers(await markAtOnce([...slow, ...fast, ...holding], signal), marking, holding, signal);
  const slowMarks = await takeMarks(slow, signal);
  const idle = clientsFrozen ? await drain(fast, searchUntilNs, signal, context) : new Map();
  let observations = await markFast(marking, signal);
  // Without holds the search is the caller's; within a lock, trying again is cheaper than locking again.
  while (holding.length > 0 && wanting(observations) && context.clock.nowNs() < searchUntilNs)
    observations = await markFast(marking, signal, observations);
  for (const [name, conditions] of idle)
    observations.set(name, { ...observations.get(name)!, idle: conditions });
  for (const [name, marks] of slowMarks) observations.set(name, { epochs: [], marks });
  // What cannot be sharp any more is let go at once: a dump of memory would only lengthen the pause.
  const hopeless = holding.length > 0 && wanting(observations) && limits.maxBlurMs === 0;
  const heldMarks = hopeless ? new Map() : await takeMarks(holding, signal);
  for (const { member } of holding)
    observations.set(member.name, { epochs: [], marks: heldMarks.get(member.name) ?? [] });
  if (!hopeless) await withAnswers(observations, marking, holding, signal);
  if (copyHeld && !hopeless)
    await Promise.all(holding.filter(copiesHeld).map((participant) => copyHeld(participant, signal)));
  return observations;
}

async function withAnswers(
  observations: Map<string, Observation>,
  attempt: Attempt,
  participants: readonly Participant[],
  signal: AbortSignal,
): Promise<Map<string, Observation>> {
  for (const [name, asked] of await askAll(attempt, participants, signal))
    observations.set(name, { ...observations.get(name)!, asked });
  return observations;
}

async function markAtOnce(
  participants: readonly Participant[],
  signal: AbortSignal,
): Promise<Map<string, Observation>> {
  const marks = await takeMarks(participants, signal);
  return new Map(
    participants.map(({ member }) => [member.name, { epochs: [], marks: marks.get(member.name) ?? [] }]),
  );
}

export function copiesHeld({ member }: Participant): boolean {
  return member.driver.traits.copies === 'before-release';
}

/** Marks between two readings of all that can be watched. The first may be the last one of a try just before. */
async function markFast(
  marking: Marking,
  signal: AbortSignal,
  earlier?: ReadonlyMap<string, Observation>,
): Promise<Map<string, Observation>> {
  const { fast, prober } = marking;
  // One single mark needs no epoch: it is sharp by itself inside the holds of the others. An answer needs two.
  const watched =
    fast.length > 1 || fast.some((one) => !one.session.mark || prober?.asksLive(one))
      ? fast.filter(({ session }) => session.watch)
      : [];
  const before = earlier ? lastEpochs(earlier) : await readEpochs(watched, signal);
  const marks = await takeMarks(fast, signal);
  const answers = await askAll(marking, fast, signal);
  const after = await readEpochs(watched, signal);
  return new Map(
    fast.map(({ member }) => {
      const epochs = [before.get(member.name), after.get(member.name)].filter(
        (reading) => reading !== undefined,
      );
      const asked = answers.get(member.name);
      return [member.name, { epochs, marks: marks.get(member.name) ?? [], ...(asked && { asked }) }];
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
export function untied(observations: ReadonlyMap<string, Observation>): string[] {
  return [...observations]
    .filter(([, observation]) => tiesOf(observation).length === 0)
    .map(([name]) => name);
}
