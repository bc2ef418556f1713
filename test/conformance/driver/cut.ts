import type { Certificate, Hold, MarkTie, Tie } from '../../../provider/core/certificate.ts';
import type { Context } from '../../../provider/core/context.ts';
import type { EpochReading, HoldEvidence, MarkReading, Session } from '../../../provider/core/driver.ts';
import { StasisError } from '../../../provider/core/errors.ts';
import type { FingerprintEntry } from '../../../provider/core/fingerprint.ts';
import { judge } from '../../../provider/core/judgement.ts';
import type { Capture } from '../../../provider/core/manifest.ts';
import { sleep } from '../../../provider/core/wait.ts';
import { type MemoryBlobs, memoryBlobs } from '../../support/context.ts';

/** Points of one cut at which a test may step in. */
export const MOMENTS = ['before', 'held', 'marked', 'released', 'copying', 'copied'] as const;
export type Moment = (typeof MOMENTS)[number];
export type Interrupt = (moment: Moment) => Promise<void>;

export interface CutResult {
  readonly capture: Capture;
  readonly fingerprint: readonly FingerprintEntry[];
  readonly blobs: MemoryBlobs;
  readonly ties: readonly Tie[];
  readonly sharp: boolean;
  /** Whether a hold stands by itself: then nothing can have changed while it lasted. */
  readonly held: boolean;
}

/** How long a pause may last in these tests. */
const LEASE_MS = 5_000;

/**
 * One cut of one member, as a coordinator makes it: held where the session can be, else between two epochs. Nothing is
 * retried. What follows from the readings is left to `judge`. All cuts of a session are into the same blobs.
 */
export async function cut(
  session: Session,
  blobs: MemoryBlobs,
  context: Context,
  interrupt: Interrupt = async () => {},
): Promise<CutResult> {
  await interrupt('before');
  const observed = session.hold
    ? await cutHeld(session, context, interrupt)
    : await cutStill(session, context, interrupt);
  await interrupt('released');
  const capture = await session.copy(interrupting(blobs, interrupt));
  await interrupt('copied');
  const fingerprint: FingerprintEntry[] = [];
  for await (const entry of session.fingerprint(blobs)) fingerprint.push(entry);
  const ties = tiesOf(observed, capture);
  return {
    capture,
    fingerprint,
    blobs,
    ties,
    sharp: judgeTies(ties),
    held: judgeTies(ties.filter(({ tie }) => tie === 'hold')),
  };
}

interface Observed {
  readonly epochs: readonly EpochReading[];
  readonly marks: readonly MarkReading[];
  readonly evidence?: HoldEvidence;
  readonly how?: Hold['how'];
}

async function cutHeld(session: Session, context: Context, interrupt: Interrupt): Promise<Observed> {
  const hold = session.hold!;
  const { signal } = context;
  await hold.settle?.(signal);
  try {
    await hold.freeze(LEASE_MS, signal);
    await interrupt('held');
    const marks = (await session.mark?.take(signal)) ?? [];
    await interrupt('marked');
    const evidence = await (hold.thawWithEvidence?.(signal) ?? hold.evidence(signal));
    return { epochs: [], marks, evidence, how: hold.how };
  } finally {
    await hold.thaw();
  }
}

async function cutStill(session: Session, context: Context, interrupt: Interrupt): Promise<Observed> {
  const { signal } = context;
  const first = await session.watch?.epoch(signal);
  await interrupt('held');
  const marks = (await session.mark?.take(signal)) ?? [];
  await interrupt('marked');
  const last = await session.watch?.epoch(signal);
  return { epochs: [first, last].filter((epoch) => epoch !== undefined), marks };
}

function tiesOf(observed: Observed, capture: Capture): Tie[] {
  const ties: Tie[] = observed.marks.map(
    (mark): MarkTie => ({
      tie: 'mark',
      sentNs: mark.sentNs,
      acknowledgedNs: mark.acknowledgedNs,
      act: mark.act,
      epoch: mark.epoch,
      conditions: mark.conditions ?? [],
    }),
  );
  const { evidence, epochs, how } = observed;
  if (evidence && how) ties.push(holdOf(how, evidence));
  const unprovable = epochs.find((epoch) => epoch.unprovable !== undefined)?.unprovable;
  if (epochs.length > 1)
    ties.push(
      holdOf('still', {
        readings: epochs,
        captured: observed.marks[0]?.epoch ?? capture.epoch ?? '',
        conditions: [
          { claim: 'equal epochs prove stillness', expected: 'yes', observed: unprovable ?? 'yes' },
        ],
      }),
    );
  return ties;
}

function holdOf(how: Hold['how'], evidence: HoldEvidence): Hold {
  return {
    tie: 'hold',
    how,
    heldFromNs: evidence.readings[0]?.acknowledgedNs ?? 0,
    heldToNs: evidence.readings.at(-1)?.sentNs ?? 0,
    ...evidence,
  };
}

function judgeTies(ties: readonly Tie[]): boolean {
  const certificate: Certificate = {
    formatVersion: 1,
    startedAt: new Date(0).toISOString(),
    members: { member: ties },
    pauses: [],
  };
  return judge(certificate).sharp;
}

/** Steps in once, when the first bytes of the copy reach the store. */
function interrupting(blobs: MemoryBlobs, interrupt: Interrupt): MemoryBlobs {
  let first = true;
  async function* watched(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of content) {
      if (first) {
        first = false;
        await interrupt('copying');
      }
      yield chunk;
    }
  }
  return { ...blobs, put: (content, options) => blobs.put(watched(content), options) };
}

/** Cuts until one is sharp; tries and time are bounded. @throws Error with what the last try ended in. */
export async function cutUntilSharp(
  session: Session,
  context: Context,
  withinMs = 30_000,
): Promise<CutResult> {
  const untilNs = context.clock.nowNs() + withinMs * 1e6;
  const blobs = memoryBlobs();
  await session.preload?.(blobs);
  let last: unknown = 'nothing was tried';
  while (context.clock.nowNs() < untilNs) {
    try {
      const result = await cut(session, blobs, context);
      if (result.sharp) return result;
      last = JSON.stringify(result.ties);
    } catch (error) {
      if (!(error instanceof StasisError) || error.code !== 'cut.lost') throw error;
      last = error;
    }
    await sleep(Math.random() * 10, context.signal);
  }
  throw new Error(`no sharp cut within ${withinMs} ms`, { cause: last });
}
