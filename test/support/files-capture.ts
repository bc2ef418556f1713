import { mkdtempSync, rmSync } from 'node:fs';
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
import { localHost } from '../../provider/hosts/local/host.ts';
import { type MemoryBlobs, memoryBlobs, testContext } from './context.ts';

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

export const host = localHost();

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
  const digest = `sha256-64k:${'0'.repeat(64)}` as const;
  return {
    ...capture,
    driver: filesDriver.name,
    endpoint: filesDriver.endpoint(spec),
    fidelity: filesDriver.traits.fidelity,
    fingerprint: { digest, sizeBytes: 1, entries },
  };
}

export function options(overrides: Partial<RestoreOptions> = {}): RestoreOptions {
  return {
    restoreId: 'restore-1',
    overwrite: false,
    expiry: 'absolute',
    cutAtMs: Date.now(),
    journal: async () => {},
    ...overrides,
  };
}

export function load(
  target: FilesSpec,
  from: { readonly member: MemberCapture; readonly blobs: BlobReader },
  overrides: Partial<RestoreOptions> = {},
  context: Context = testContext(),
): Promise<Held> {
  return filesDriver.restore(target, host, from.member, from.blobs, options(overrides), context);
}

/** Loads, releases, and compares what then stands there with what was captured. */
export async function restoreAndCompare(
  target: FilesSpec,
  from: Captured,
  overrides: Partial<RestoreOptions> = {},
): Promise<Comparison> {
  await using held = await load(target, from, overrides);
  const loaded = await compareFingerprints(stream(from.fingerprint), held.fingerprint(), Date.now());
  await held.release();
  if (loaded.differenceCount > 0) return loaded;
  return compareFingerprints(stream(from.fingerprint), observe(target), Date.now());
}

export async function* observe(spec: FilesSpec): AsyncGenerator<FingerprintEntry> {
  await using held = await filesDriver.observe(spec, host, testContext());
  yield* held.fingerprint();
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

export async function* stream<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}
