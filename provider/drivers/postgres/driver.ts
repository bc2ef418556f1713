import type { Context } from '../../core/context.ts';
import type { Driver, Held } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import { orCancelled } from '../../core/wait.ts';
import { ask } from './ask.ts';
import { planCapture } from './capture/plan.ts';
import { CaptureSession } from './capture/session.ts';
import { endpointOf, parsePlace } from './connect/place.ts';
import { examine } from './examine.ts';
import { fence, fencedIn, lift } from './fence.ts';
import { readProgress } from './log-position.ts';
import { questions } from './probe.ts';
import { parseJournalEntry } from './restore/journal-entry.ts';
import { planRestore } from './restore/plan-restore.ts';
import { restore } from './restore/start.ts';
import { undoEntry } from './restore/undo.ts';
import { storedItems } from './rows/stored-rows.ts';
import { type PostgresSpec, postgresSpec } from './spec.ts';

/** PostgreSQL 14 to 18, by URL. See README.md for how, and for what it does not hold. */
export const postgresDriver: Driver<PostgresSpec> = {
  name: 'postgres',
  summary: 'One, several or all databases of a PostgreSQL server (14 to 18), by URL, without any pause.',
  spec: postgresSpec,
  traits: { layers: ['data'], fidelity: 'equivalent', copies: 'after-release', rank: 10 },
  questions,
  endpoint: (spec) => endpointOf(parsePlace(spec.url)),
  plan: planCapture,
  prepare: (spec, at, context) => CaptureSession.open(spec, at, context, true),
  planRestore,
  restore: (spec, at, from, blobs, options, context) =>
    orCancelled(context.signal, () => restore(spec, at, from, blobs, options, context)),
  observe,
  ask,
  storedItems,
  progress: readProgress,
  undo: async (spec, at, entry, context) => {
    const fenced = fencedIn(entry);
    if (fenced) return lift(spec, at, fenced);
    const known = parseJournalEntry(entry);
    if (known) await undoEntry(parsePlace(spec.url, at), at, known, context.logger);
  },
  fence,
  examine,
};

/** The state at one instant from now on; nothing is held, and nothing of it stays. */
async function observe(spec: PostgresSpec, at: Host, context: Context): Promise<Held> {
  const session = await CaptureSession.open(spec, at, context, false);
  try {
    await takeAndKeep(session, context);
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
  return {
    fingerprint: () => session.fingerprint(),
    readable: () => session.readable(),
    answers: session.markAnswers,
    release: async () => {},
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

/** A schema that changes in the very moment of the mark is tried again. */
const OBSERVE_ROUNDS = 5;

async function takeAndKeep(session: CaptureSession, context: Context): Promise<void> {
  for (let round = 1; ; round += 1) {
    try {
      await session.mark.take(context.signal);
      await session.adopt();
      return;
    } catch (error) {
      if (!(error instanceof StasisError) || error.code !== 'cut.lost' || round === OBSERVE_ROUNDS)
        throw error;
    }
  }
}
