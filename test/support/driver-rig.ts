import { compareStates, type ReadableState } from '../../provider/core/compare-states.ts';
import type { Context } from '../../provider/core/context.ts';
import type { Driver, Held, RestoreOptions, Session } from '../../provider/core/driver.ts';
import {
  type Comparison,
  compareFingerprints,
  type Fingerprint,
  type FingerprintEntry,
} from '../../provider/core/fingerprint.ts';
import type { Capture, MemberCapture } from '../../provider/core/manifest.ts';
import { localHost } from '../../provider/hosts/local/host.ts';
import { type MemoryBlobs, memoryBlobs, testContext } from './context.ts';

/** What the coordinator does, for tests of a driver alone. */

export const host = localHost();

export interface Taken {
  readonly member: MemberCapture;
  readonly blobs: MemoryBlobs;
  readonly entries: readonly FingerprintEntry[];
}

/** The same of one driver, whose members are marked. */
export interface DriverRig<Spec> {
  /** Marks, copies and fingerprints, in a session of its own. */
  capture(spec: Spec, context?: Context): Promise<Taken>;
  /** Copies and fingerprints the last mark; cuts again where it was lost. */
  copied(session: Session, spec: Spec, rounds?: number): Promise<Taken>;
  restore(spec: Spec, taken: Taken, overrides?: Partial<RestoreOptions>, context?: Context): Promise<Held>;
  /** Restores, compares and releases. */
  restoreAndCompare(spec: Spec, taken: Taken, overrides?: Partial<RestoreOptions>): Promise<Comparison>;
  /** The fingerprint of what is there now. */
  observed(spec: Spec): Promise<FingerprintEntry[]>;
  /** What was captured, as a comparison reads it. */
  stored(taken: Taken): ReadableState;
  /** Compares with what is there now, and looks into what differs. */
  compareRunning(left: ReadableState, spec: Spec): Promise<Comparison>;
}

export function driverRig<Spec>(driver: Driver<Spec>): DriverRig<Spec> {
  const rig: DriverRig<Spec> = {
    async capture(spec, context = testContext()) {
      await using session = await driver.prepare(spec, host, context);
      await session.mark!.take(context.signal);
      return await rig.copied(session, spec);
    },
    async copied(session, spec, rounds = 10) {
      const blobs = memoryBlobs();
      for (let round = 1; ; round += 1) {
        try {
          const made = await session.copy(blobs);
          const entries = await collect(session.fingerprint(blobs));
          return { member: memberOf(driver, spec, made, entries.length), blobs, entries };
        } catch (error) {
          if ((error as { code?: string }).code !== 'cut.lost' || round === rounds) throw error;
          await session.mark!.take(new AbortController().signal);
        }
      }
    },
    restore: (spec, { member, blobs }, overrides = {}, context = testContext()) =>
      driver.restore(spec, host, member, blobs, restoreOptions(overrides), context),
    async restoreAndCompare(spec, taken, overrides = {}) {
      await using held = await rig.restore(spec, taken, overrides);
      const comparison = await compareWith(taken, held.fingerprint());
      await held.release();
      return comparison;
    },
    async observed(spec) {
      await using held = await driver.observe(spec, host, testContext());
      return await collect(held.fingerprint());
    },
    stored: ({ entries, member, blobs }) => ({
      fingerprint: () => replay(entries),
      itemsOf: driver.storedItems?.(member, blobs),
    }),
    async compareRunning(left, spec) {
      await using held = await driver.observe(spec, host, testContext());
      await using right = await held.readable!();
      return await compareStates(left, right, testContext());
    },
  };
  return rig;
}

/** What a coordinator adds to a capture. */
export function memberOf<Spec>(
  driver: Driver<Spec>,
  spec: Spec,
  capture: Capture,
  entries: number,
): MemberCapture {
  return {
    // A manifest is JSON.
    ...(JSON.parse(JSON.stringify(capture)) as Capture),
    driver: driver.name,
    endpoint: driver.endpoint(spec),
    fidelity: driver.traits.fidelity,
    fingerprint: { digest: `sha256-64k:${'0'.repeat(64)}`, sizeBytes: 1, entries },
  };
}

export function restoreOptions(overrides: Partial<RestoreOptions> = {}): RestoreOptions {
  return {
    restoreId: 'restore-1',
    overwrite: false,
    expiry: 'absolute',
    cutAtMs: Date.now(),
    journal: async () => {},
    ...overrides,
  };
}

export function compareWith({ entries }: Pick<Taken, 'entries'>, other: Fingerprint): Promise<Comparison> {
  return compareFingerprints(replay(entries), other, Date.now());
}

export async function* replay<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
