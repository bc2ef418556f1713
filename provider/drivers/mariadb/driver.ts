import type { Context } from '../../core/context.ts';
import type { Driver, Held } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import { orCancelled } from '../../core/wait.ts';
import { ask } from './ask.ts';
import { planCapture } from './capture/plan.ts';
import { CaptureSession } from './capture/session.ts';
import { endpointOf, parsePlace } from './connect/place.ts';
import { fence, lift, parseFenceEntry } from './fence.ts';
import { readProgress } from './log-position.ts';
import { questions } from './probe.ts';
import { parseJournalEntry } from './restore/journal-entry.ts';
import { planRestore } from './restore/plan-restore.ts';
import { restore } from './restore/start.ts';
import { undoEntry } from './restore/undo.ts';
import { storedItems } from './rows/stored-rows.ts';
import { type MariadbSpec, mariadbSpec } from './spec.ts';

/** MariaDB 10.6 to 12 and MySQL 8.0 to 9, by URL. See README.md for how, and for what it does not hold. */
export const mariadbDriver: Driver<MariadbSpec> = {
  name: 'mariadb',
  summary:
    'One, several or all databases of a MariaDB (10.6 to 12) or MySQL (8.0 to 9) server, by URL, without any pause.',
  spec: mariadbSpec,
  traits: { layers: ['data'], fidelity: 'equivalent', copies: 'after-release', rank: 10 },
  questions,
  endpoint: (spec) => endpointOf(parsePlace(spec.url)),
  plan: planCapture,
  prepare: CaptureSession.open,
  planRestore,
  restore: (spec, at, from, blobs, options, context) =>
    orCancelled(context.signal, () => restore(spec, at, from, blobs, options, context)),
  observe,
  ask,
  storedItems,
  progress: readProgress,
  undo: async (spec, at, entry, context) => {
    const fenced = parseFenceEntry(entry);
    if (fenced) return lift(spec, at, fenced);
    const known = parseJournalEntry(entry);
    if (known) await undoEntry(parsePlace(spec.url, at), known, context.logger);
  },
  fence,
};

/** Tables without transactions are locked for as long as it takes to read them, under this lease. */
const OBSERVE_LEASE_MS = 60_000;
/** A schema that changes in the very moment of the mark is tried again. */
const OBSERVE_ROUNDS = 5;

/** The state at one instant from now on; nothing is held, and nothing of it stays. */
async function observe(spec: MariadbSpec, at: Host, context: Context): Promise<Held> {
  const session = await CaptureSession.open(spec, at, context);
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

async function takeAndKeep(session: CaptureSession, { signal }: Context): Promise<void> {
  for (let round = 1; ; round += 1) {
    try {
      await session.hold?.freeze(OBSERVE_LEASE_MS, signal);
      await session.mark.take(signal);
      await session.hold?.thaw();
      await session.adopt();
      return;
    } catch (error) {
      await session.hold?.thaw();
      if (!(error instanceof StasisError) || error.code !== 'cut.lost' || round === OBSERVE_ROUNDS)
        throw error;
    }
  }
}
