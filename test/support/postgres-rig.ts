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
import { postgresDriver } from '../../provider/drivers/postgres/driver.ts';
import type { PostgresSpec } from '../../provider/drivers/postgres/spec.ts';
import { localHost } from '../../provider/hosts/local/host.ts';
import { type MemoryBlobs, memoryBlobs, testContext } from './context.ts';
import type { PostgresServer } from './postgres-server.ts';

/** What the coordinator does, for tests of the driver alone. */

export const host = localHost();

export interface Taken {
  readonly member: MemberCapture;
  readonly blobs: MemoryBlobs;
  readonly entries: readonly FingerprintEntry[];
}

/** Fills a new database with every type and kind of object. */
export async function everyType(server: PostgresServer, database: string): Promise<void> {
  const script = await readFile(join(import.meta.dirname, 'postgres-every-type.sql'), 'utf8');
  await server.query(`CREATE DATABASE ${database}`);
  await server.query(script, { database });
}

export async function capture(spec: PostgresSpec, context: Context = testContext()): Promise<Taken> {
  await using session = await postgresDriver.prepare(spec, host, context);
  await session.mark!.take(context.signal);
  return await copied(session, spec);
}

/** Copies and fingerprints the last mark; cuts again where it was lost. */
export async function copied(session: Session, spec: PostgresSpec, rounds = 10): Promise<Taken> {
  const blobs = memoryBlobs();
  for (let round = 1; ; round += 1) {
    try {
      const made = await session.copy(blobs);
      const entries = await collect(session.fingerprint(blobs));
      return { member: memberOf(made, spec), blobs, entries };
    } catch (error) {
      if ((error as { code?: string }).code !== 'cut.lost' || round === rounds) throw error;
      await session.mark!.take(new AbortController().signal);
    }
  }
}

function memberOf(made: Awaited<ReturnType<Session['copy']>>, spec: PostgresSpec): MemberCapture {
  return {
    // A manifest is JSON.
    ...(JSON.parse(JSON.stringify(made)) as typeof made),
    driver: 'postgres',
    endpoint: postgresDriver.endpoint(spec),
    fidelity: postgresDriver.traits.fidelity,
    fingerprint: { digest: `sha256-64k:${'0'.repeat(64)}`, sizeBytes: 0, entries: 0 },
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

export function restore(
  spec: PostgresSpec,
  taken: Taken,
  overrides: Partial<RestoreOptions> = {},
  context: Context = testContext(),
): Promise<Held> {
  return postgresDriver.restore(spec, host, taken.member, taken.blobs, restoreOptions(overrides), context);
}

/** Restores, compares and releases. */
export async function restoreAndCompare(
  spec: PostgresSpec,
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

export async function observed(spec: PostgresSpec): Promise<FingerprintEntry[]> {
  await using held = await postgresDriver.observe(spec, host, testContext());
  return await collect(held.fingerprint());
}

export async function* replay(entries: readonly FingerprintEntry[]): Fingerprint {
  yield* entries;
}

export async function collect(fingerprint: Fingerprint): Promise<FingerprintEntry[]> {
  const entries: FingerprintEntry[] = [];
  for await (const entry of fingerprint) entries.push(entry);
  return entries;
}

/** Sessions of ours on the server, other than the asking one. */
export async function ourSessions(server: PostgresServer): Promise<number> {
  const [row] = await server.query(
    "SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name IN ('stasis', 'pg_dump', 'pg_restore') AND pid <> pg_backend_pid()",
  );
  return Number(row?.count);
}
