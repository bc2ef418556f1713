import { z } from 'zod';
import type { Context } from '../../core/context.ts';
import type { RestoreOptions } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import { sleep } from '../../core/wait.ts';
import { listDatabases, selectDatabases } from './connect/databases.ts';
import { parsePlace } from './connect/place.ts';
import { identifier, literal, type Row, type Rows, text } from './connect/sql.ts';
import { FENCE } from './fingerprint/meaning.ts';
import { openAdmin } from './restore/target.ts';
import type { PostgresSpec } from './spec.ts';

/** How long sessions are ended until none is left; a backend that is in the middle of a commit ends after it. */
const END_MS = 10_000;
const POLL_MS = 100;
const LIFT_MS = 30_000;

const entrySchema = z.object({ fenced: z.array(z.string()) });

/** The names of the databases that were about to be fenced; undefined for what is no entry of a fence. */
export function fencedIn(entry: unknown): readonly string[] | undefined {
  return entrySchema.safeParse(entry).data?.fenced;
}

/**
 * New sessions of a fenced database begin read only (`default_transaction_read_only` of the database), and those that
 * there were are ended. Who sets it to `off` in a session of theirs still writes: nothing but a right that all would
 * have to lose keeps them from it. So whoever relies on a fence compares once more.
 */
export const fence = { obstacles, raise };

async function obstacles(spec: PostgresSpec, at: Host, { signal }: Context): Promise<StasisError[]> {
  await using session = await open(spec, at, signal);
  const { rows, names } = session;
  const refuse = (code: string, message: string, hint: string): StasisError =>
    new StasisError(`postgres.${code}`, message, { hint, at: ['url'] });
  const problems: StasisError[] = [];
  const listed = names.map(literal).join(', ');
  const foreign = await rows(`SELECT d.datname::text AS name FROM pg_catalog.pg_database d
    WHERE d.datname IN (${listed}) AND NOT pg_catalog.pg_has_role(d.datdba, 'USAGE')
      AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)`);
  for (const row of foreign)
    problems.push(
      refuse(
        'fence-not-owner',
        `The login does not own "${text(row, 'name')}", and cannot make it read only.`,
        'Log in as its owner.',
      ),
    );
  const [may] = await rows(`SELECT (pg_catalog.pg_has_role('pg_signal_backend', 'USAGE')
    OR (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user))::text AS signal`);
  if (may && text(may, 'signal') !== 'true')
    problems.push(
      refuse(
        'fence-no-signal',
        'The login may not end the sessions of others.',
        'GRANT pg_signal_backend TO it.',
      ),
    );
  for (const row of await otherSettings(rows, listed))
    problems.push(
      refuse(
        'fence-other-setting',
        `default_transaction_read_only is set for ${text(row, 'what')}, which a fence could not tell from its own.`,
        'RESET it first.',
      ),
    );
  for (const row of await goneOn(rows, listed))
    problems.push(
      refuse(
        'fence-goes-on',
        `A fence does not keep ${text(row, 'what')} from writing, as it needs no session that could be refused.`,
        text(row, 'hint'),
      ),
    );
  return problems;
}

/** What writes without a session that begins read only: two-phase commits, and what subscribes to other servers. */
function goneOn(rows: Rows, listed: string): Promise<Row[]> {
  return rows(`SELECT 'the prepared transaction ' || gid AS what, 'COMMIT PREPARED or ROLLBACK PREPARED it first.' AS hint
      FROM pg_catalog.pg_prepared_xacts WHERE database IN (${listed})
    UNION SELECT 'the subscription ' || p.subname, 'ALTER SUBSCRIPTION it DISABLE first.'
      FROM pg_catalog.pg_subscription p JOIN pg_catalog.pg_database d ON d.oid = p.subdbid
      WHERE d.datname IN (${listed}) AND p.subenabled`);
}

/** Of the database or of a role, which would win over the database's. */
function otherSettings(rows: Rows, listed: string): Promise<Row[]> {
  return rows(`SELECT coalesce('the role ' || r.rolname, 'the database ' || d.datname) AS what
    FROM pg_catalog.pg_db_role_setting s LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
      LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
    WHERE (s.setdatabase = 0 OR d.datname IN (${listed}))
      AND EXISTS (SELECT FROM pg_catalog.unnest(s.setconfig) AS c WHERE c LIKE 'default_transaction_read_only=%')
      AND NOT EXISTS (SELECT FROM pg_catalog.unnest(s.setconfig) AS c WHERE c LIKE ${literal(`${FENCE}=%`)})
    UNION SELECT 'the server' FROM pg_catalog.pg_settings WHERE name = 'default_transaction_read_only'
      AND reset_val = 'on' AND pg_catalog.current_database() NOT IN (${listed})`);
}

async function raise(
  spec: PostgresSpec,
  at: Host,
  journal: RestoreOptions['journal'],
  { signal }: Context,
): Promise<void> {
  await using session = await open(spec, at, signal);
  const { rows, names } = session;
  await journal({ fenced: names });
  await rows('BEGIN');
  for (const name of names.map(identifier)) {
    await rows(`ALTER DATABASE ${name} SET ${FENCE} = 'on'`);
    await rows(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
  }
  await rows('COMMIT');
  await endOlder(rows, names, signal);
}

/**
 * Ends all sessions that began before the setting was there. One that was just beginning shows only once it has read
 * its settings: so the last look comes a moment after one that found none.
 */
async function endOlder(rows: Rows, names: readonly string[], signal: AbortSignal): Promise<void> {
  const [now] = await rows(`SELECT pg_catalog.clock_timestamp()::text AS now`);
  const since = literal(text(now!, 'now'));
  const untilMs = performance.now() + END_MS;
  for (let quiet = 0; quiet < 3; ) {
    const [row] = await rows(`SELECT count(pg_catalog.pg_terminate_backend(pid))::text AS ended
      FROM pg_catalog.pg_stat_activity WHERE datname IN (${names.map(literal).join(', ')})
        AND pid <> pg_catalog.pg_backend_pid() AND backend_type = 'client backend' AND backend_start <= ${since}::timestamptz`);
    quiet = row && text(row, 'ended') === '0' ? quiet + 1 : 0;
    if (performance.now() > untilMs)
      throw new StasisError('postgres.not-fenced', 'Sessions that may write could not be ended.', {
        hint: 'Look for them in pg_stat_activity.',
        at: ['url'],
      });
    await sleep(POLL_MS, signal);
  }
}

/** Idempotent; a database that is gone is fine. */
export async function lift(spec: PostgresSpec, at: Host, names: readonly string[]): Promise<void> {
  const signal = AbortSignal.timeout(LIFT_MS);
  await using session = await open(spec, at, signal);
  const { rows, all } = session;
  for (const name of names.filter((one) => all.includes(one)).map(identifier)) {
    await rows(`ALTER DATABASE ${name} RESET default_transaction_read_only`);
    await rows(`ALTER DATABASE ${name} RESET ${FENCE}`);
  }
}

async function open(
  spec: PostgresSpec,
  at: Host,
  signal: AbortSignal,
): Promise<AsyncDisposable & { readonly rows: Rows; readonly names: string[]; readonly all: string[] }> {
  const place = parsePlace(spec.url, at);
  const admin = await openAdmin(place, [], signal);
  try {
    const databases = await listDatabases(admin, signal);
    const { selected } = selectDatabases(databases, spec, place);
    return {
      rows: (sql) => admin.rows(sql, signal),
      names: selected.map(({ name }) => name),
      all: databases.map(({ name }) => name),
      [Symbol.asyncDispose]: () => admin[Symbol.asyncDispose](),
    };
  } catch (error) {
    await admin[Symbol.asyncDispose]();
    throw error;
  }
}
