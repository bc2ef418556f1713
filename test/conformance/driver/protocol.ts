import type { Context } from '../../../provider/core/context.ts';
import type { Session } from '../../../provider/core/driver.ts';
import { StasisError } from '../../../provider/core/errors.ts';
import { type MemoryBlobs, memoryBlobs } from '../../support/context.ts';
import type { SessionTraits } from './adapter.ts';

/** One step of a capture after `prepare`. */
export interface Step {
  readonly name: string;
  /** Whether it takes a mark while nothing is held. */
  readonly unheld?: true;
  run(session: Session, blobs: MemoryBlobs, signal: AbortSignal): Promise<void>;
}

const LEASE_MS = 5_000;

/** Every step that a coordinator may take with any session, in order; what a session cannot do is nothing. */
const STEPS: readonly Step[] = [
  { name: 'preload', run: async (session, blobs) => session.preload?.(blobs) },
  { name: 'epoch', run: async (session, _, signal) => void (await session.watch?.epoch(signal)) },
  { name: 'settle', run: async (session, _, signal) => session.hold?.settle?.(signal) },
  { name: 'freeze', run: async (session, _, signal) => session.hold?.freeze(LEASE_MS, signal) },
  { name: 'mark', run: async (session, _, signal) => void (await session.mark?.take(signal)) },
  { name: 'evidence', run: async (session, _, signal) => void (await session.hold?.evidence(signal)) },
  { name: 'thaw', run: async (session) => session.hold?.thaw() },
  { name: 'second epoch', run: async (session, _, signal) => void (await session.watch?.epoch(signal)) },
  {
    name: 'second freeze',
    run: async ({ hold }, _, signal) => {
      await hold?.settle?.(signal);
      await hold?.freeze(LEASE_MS, signal);
    },
  },
  { name: 'second mark', run: async (session, _, signal) => void (await session.mark?.take(signal)) },
  {
    name: 'thaw with evidence',
    run: async ({ hold }, _, signal) => {
      await hold?.thawWithEvidence?.(signal);
      await hold?.thaw();
    },
  },
  {
    name: 'third mark',
    unheld: true,
    run: async (session, _, signal) => void (await session.mark?.take(signal)),
  },
  { name: 'copy', run: async (session, blobs) => void (await session.copy(blobs)) },
  {
    name: 'fingerprint',
    run: async (session, blobs) => {
      for await (const _ of session.fingerprint(blobs));
    },
  },
];

/** Those that a coordinator takes with such a session. */
export function stepsOf({ mark }: SessionTraits): readonly Step[] {
  return mark === 'held' ? STEPS.filter(({ unheld }) => !unheld) : STEPS;
}

/**
 * Takes the first steps of the protocol. Under load a copy may find its cut lost, which is an answer too; then there
 * is nothing to fingerprint.
 */
export async function takeSteps(
  session: Session,
  steps: readonly Step[],
  context: Context,
): Promise<MemoryBlobs> {
  const blobs = memoryBlobs();
  for (const step of steps) {
    try {
      await step.run(session, blobs, context.signal);
    } catch (error) {
      if (error instanceof StasisError && error.code === 'cut.lost') return blobs;
      throw error;
    }
  }
  return blobs;
}
