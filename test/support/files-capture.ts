import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context } from '../../provider/core/context.ts';
import type { EpochReading, Held, RestoreOptions, Session } from '../../provider/core/driver.ts';
import {
  type Comparison,
  compareFingerprints,
  type FingerprintEntry,
} from '../../provider/core/fingerprint.ts';
import type { Capture, MemberCapture } from '../../provider/core/manifest.ts';
import type { BlobReader } from '../../provider/core/store.ts';
import { filesDriver } from '../../provider/drivers/files/driver.ts';
import type { FilesSpec } from '../../provider/drivers/files/spec.ts';
import { type MemoryBlobs, memoryBlobs, testContext } from './context.ts';
import { collect, host, memberOf as memberOfDriver, replay, restoreOptions } from './driver-rig.ts';

export { collect, host, replay as stream, restoreOptions as options };

/** What tests of the files driver share: a folder that goes away, one quiet capture, one restore. */

export interface Scratch extends Disposable {
  readonly path: string;
  at(...names: string[]): string;
}

export function scratch(prefix = 'stasis-files-', parent = tmpdir()): Scratch {
  const path = mkdtempSync(join(parent, prefix));
  return {
    path,
    at: (...names) => join(path, ...names),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }),
  };
}

export function session(spec: FilesSpec, context: Context = testContext()): Promise<Session> {
  return filesDriver.prepare(spec, host, context);
}

export interface Captured {
  readonly member: MemberCapture;
  readonly capture: Capture;
  readonly blobs: MemoryBlobs;
  readonly fingerprint: readonly FingerprintEntry[];
  readonly readings: readonly EpochReading[];
}

/** A capture of a tree that nobody changes; retried where a cut was lost, as a coordinator would. */
export async function captureQuietly(spec: FilesSpec, context: Context = testContext()): Promise<Captured> {
  await using taken = await session(spec, context);
  const blobs = memoryBlobs();
  const readings = [await taken.watch!.epoch(context.signal), await taken.watch!.epoch(context.signal)];
  const capture = await taken.copy(blobs);
  const fingerprint = await collect(taken.fingerprint(blobs));
  return { member: memberOf(spec, capture, fingerprint.length), capture, blobs, fingerprint, readings };
}

export function memberOf(spec: FilesSpec, capture: Capture, entries: number): MemberCapture {
  return memberOfDriver(filesDriver, spec, capture, entries);
}

export function load(
  target: FilesSpec,
  from: { readonly member: MemberCapture; readonly blobs: BlobReader },
  overrides: Partial<RestoreOptions> = {},
  context: Context = testContext(),
): Promise<Held> {
  return filesDriver.restore(target, host, from.member, from.blobs, restoreOptions(overrides), context);
}

/** Loads, releases, and compares what then stands there with what was captured. */
export async function restoreAndCompare(
  target: FilesSpec,
  from: Captured,
  overrides: Partial<RestoreOptions> = {},
): Promise<Comparison> {
  await using held = await load(target, from, overrides);
  const loaded = await compareFingerprints(replay(from.fingerprint), held.fingerprint(), Date.now());
  await held.release();
  if (loaded.differenceCount > 0) return loaded;
  return compareFingerprints(replay(from.fingerprint), observe(target), Date.now());
}

export async function* observe(spec: FilesSpec): AsyncGenerator<FingerprintEntry> {
  await using held = await filesDriver.observe(spec, host, testContext());
  yield* held.fingerprint();
}

/** A small folder, `source`, and a capture of it. */
export async function source(folder: Scratch): Promise<Captured> {
  mkdirSync(folder.at('source', 'sub'), { recursive: true });
  writeFileSync(folder.at('source', 'a'), 'captured');
  writeFileSync(folder.at('source', 'sub', 'b'), Buffer.alloc(900_000, 'b'));
  return captureQuietly({ path: folder.at('source') });
}

/** All there is beside the source, hidden names too. */
export function around(folder: Scratch): string[] {
  return readdirSync(folder.path)
    .filter((name) => name !== 'source')
    .sort();
}
