import type { Context } from '../../../provider/core/context.ts';
import type { Driver, Held, RestoreOptions } from '../../../provider/core/driver.ts';
import { StasisError } from '../../../provider/core/errors.ts';
import {
  type Comparison,
  compareFingerprints,
  type FingerprintEntry,
} from '../../../provider/core/fingerprint.ts';
import type { MemberCapture } from '../../../provider/core/manifest.ts';
import type { BlobReader } from '../../../provider/core/store.ts';
import { sleep } from '../../../provider/core/wait.ts';
import { localHost } from '../../../provider/hosts/local/host.ts';
import { testContext } from '../../support/context.ts';
import type { Load, System, Target } from './adapter.ts';
import { type CutResult, cutUntilSharp } from './cut.ts';

export const host = localHost();

/** How long anything of ours may take to be gone, and a load to go on, after a disposal. */
const SETTLE_MS = 10_000;

export async function* stream<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}

/** What a coordinator adds to a capture. */
export function memberOf(driver: Driver, spec: unknown, { capture, fingerprint }: CutResult): MemberCapture {
  return {
    ...capture,
    driver: driver.name,
    endpoint: driver.endpoint(spec),
    fidelity: driver.traits.fidelity,
    fingerprint: { digest: `sha256-64k:${'0'.repeat(64)}`, sizeBytes: 1, entries: fingerprint.length },
  };
}

export function optionsOf(overrides: Partial<RestoreOptions> = {}): RestoreOptions {
  return {
    restoreId: 'conformance-1',
    overwrite: false,
    expiry: 'absolute',
    cutAtMs: Date.now(),
    journal: async () => {},
    ...overrides,
  };
}

/** A sharp capture in its own session, which is over when it returns. */
export async function captureSharp(
  driver: Driver,
  spec: unknown,
  context: Context = testContext(),
): Promise<CutResult> {
  await using session = await driver.prepare(spec, host, context);
  // Awaited here: the session must not be disposed of before.
  return await cutUntilSharp(session, context);
}

export async function restoreInto(
  driver: Driver,
  target: Target,
  from: { readonly member: MemberCapture; readonly blobs: BlobReader },
  overrides: Partial<RestoreOptions> = {},
  context: Context = testContext(),
): Promise<Held> {
  return driver.restore(target.spec, host, from.member, from.blobs, optionsOf(overrides), context);
}

export function compared(
  captured: Iterable<FingerprintEntry>,
  restored: AsyncIterable<FingerprintEntry>,
): Promise<Comparison> {
  return compareFingerprints(stream(captured), restored, Date.now());
}

/** A load has to go on, and nothing of ours may be left; both within a bounded time. */
export async function undisturbed(system: System, load?: Load): Promise<readonly string[]> {
  const before = await load?.operations();
  const untilMs = Date.now() + SETTLE_MS;
  for (;;) {
    const left = [...(await system.residue())];
    if (load && (await load.operations()) <= before!) left.push('the load stands still');
    if (left.length === 0 || Date.now() > untilMs) return left;
    await sleep(20);
  }
}

export async function leftOn(target: Target): Promise<readonly string[]> {
  const untilMs = Date.now() + SETTLE_MS;
  for (;;) {
    const left = await target.residue();
    if (left.length === 0 || Date.now() > untilMs) return left;
    await sleep(20);
  }
}

/** The code with which work fails; `none` when it does not, `not ours` when it fails with anything else. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    (error: unknown) => (error instanceof StasisError ? error.code : `not ours: ${String(error)}`),
  );
}
