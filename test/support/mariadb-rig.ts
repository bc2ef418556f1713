import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../../provider/core/context.ts';
import type { Held, RestoreOptions, Session } from '../../provider/core/driver.ts';
import {
  type Comparison,
  compareFingerprints,
  type Fingerprint,
  type FingerprintEntry,
} from '../../provider/core/fingerprint.ts';
import type { MemberCapture } from '../../provider/core/manifest.ts';
import { mariadbDriver } from '../../provider/drivers/mariadb/driver.ts';
import type { MariadbSpec } from '../../provider/drivers/mariadb/spec.ts';
import { localHost } from '../../provider/hosts/local/host.ts';
import { type MemoryBlobs, memoryBlobs, testContext } from './context.ts';
import type { MariadbServer } from './mariadb-server.ts';

/** What the coordinator does, for tests of the driver alone. */

export const host = localHost();

export interface Taken {
  readonly member: MemberCapture;
  readonly blobs: MemoryBlobs;
  readonly entries: readonly FingerprintEntry[];
}

/** Fills a new database with every type and kind of object. */
export async function everyType(server: MariadbServer, database: string): Promise<void> {
  const script = await readFile(join(import.meta.dirname, 'mariadb-every-type.sql'), 'utf8');
  await server.query(
    `CREATE DATABASE ${database} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci COMMENT 'the shop'`,
  );
  await server.query(`SET time_zone = '+00:00', sql_mode = 'ALLOW_INVALID_DATES'; ${script}`, database);
}

export async function capture(spec: MariadbSpec, context: Context = testContext()): Promise<Taken> {
  await using session = await mariadbDriver.prepare(spec, host, context);
  await session.mark!.take(context.signal);
  return await copied(session, spec);
}

export async function copied(session: Session, spec: MariadbSpec): Promise<Taken> {
  const blobs = memoryBlobs();
  const made = await session.copy(blobs);
  const entries = await collect(session.fingerprint(blobs));
  const member: MemberCapture = {
    // A manifest is JSON.
    ...(JSON.parse(JSON.stringify(made)) as typeof made),
    driver: 'mariadb',
    endpoint: mariadbDriver.endpoint(spec),
    fidelity: mariadbDriver.traits.fidelity,
    fingerprint: { digest: `sha256-64k:${'0'.repeat(64)}`, sizeBytes: 0, entries: 0 },
  };
  return { member, blobs, entries };
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

export function restore(
  spec: MariadbSpec,
  taken: Taken,
  overrides: Partial<RestoreOptions> = {},
): Promise<Held> {
  return mariadbDriver.restore(
    spec,
    host,
    taken.member,
    taken.blobs,
    restoreOptions(overrides),
    testContext(),
  );
}

/** Restores, compares and releases. */
export async function restoreAndCompare(
  spec: MariadbSpec,
  taken: Taken,
  overrides: Partial<RestoreOptions> = {},
): Promise<Comparison> {
  await using held = await restore(spec, taken, overrides);
  const comparison = await compareWith(taken, held.fingerprint());
  await held.release();
  return comparison;
}

export function compareWith(taken: Taken, other: Fingerprint): Promise<Comparison> {
  return compareFingerprints(replay(taken.entries), other, Date.now());
}

export async function* replay(entries: readonly FingerprintEntry[]): Fingerprint {
  yield* entries;
}

export async function collect(fingerprint: Fingerprint): Promise<FingerprintEntry[]> {
  const entries: FingerprintEntry[] = [];
  for await (const entry of fingerprint) entries.push(entry);
  return entries;
}
