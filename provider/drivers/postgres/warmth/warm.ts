import { NOT_IN_TIME, SHARE_OF_CACHE, WARM_MS, type Warmth } from '../../../core/warmth.ts';
import { literal, qualified, type Rows, text } from '../connect/sql.ts';
import { chooseBlocks, lengthOf, type RestoredRelation, type Stretch } from './choose.ts';
import type { Hot } from './hot.ts';
import { namedOf, RELATIONS, schemaOfExtension } from './relations.ts';

/** A session in the restored database, and how it tries a statement that may be refused. */
export interface WarmSession {
  readonly rows: Rows;
  /** Within a savepoint; whether it was done. */
  attempt(statement: string): Promise<boolean>;
}

/** So much is asked for at once, so that a deadline is kept. */
const STRETCHES_A_QUERY = 100;
const BLOCKS_A_QUERY = 32_768;
const STATEMENT_MS = 120_000;

/**
 * Reads what was hot into the server's buffers, the databases one after another. No query is begun after ten minutes.
 * @param hots one for each database, undefined where nothing is known of it
 * @param within runs work in a transaction of that database, of which nothing stays
 */
export async function warmDatabases(
  hots: readonly (Hot | undefined)[],
  server: Rows,
  within: <T>(index: number, work: (session: WarmSession) => Promise<T>) => Promise<T>,
): Promise<Warmth> {
  const known = hots.flatMap((hot, index) => (hot === undefined ? [] : [{ hot, index }]));
  if (known.length === 0) return { hotBytes: undefined, warmedBytes: 0, reason: NOT_KNOWN };
  const untilMs = Date.now() + WARM_MS;
  const reasons = new Set<string>(known.length < hots.length ? [NOT_KNOWN_OF_ALL] : []);
  let budgetBytes = await warmBudgetBytes(server);
  let warmedBytes = 0;
  for (const { hot, index } of known) {
    const one = await within(index, (session) => warmDatabase(session, hot, { budgetBytes, untilMs }));
    warmedBytes += one.warmedBytes;
    budgetBytes -= one.warmedBytes;
    for (const reason of one.reasons) reasons.add(reason);
  }
  const hotBytes = known.reduce((sum, { hot }) => sum + hot.sizeBytes, 0);
  return { hotBytes, warmedBytes, ...(reasons.size > 0 ? { reason: [...reasons].join(' ') } : {}) };
}

const NOT_KNOWN =
  'The snapshot does not know which pages were hot: its source had no pg_buffercache that we may read.';
const NOT_KNOWN_OF_ALL = 'Of some databases the snapshot does not know which pages were hot.';

/**
 * By pg_prewarm, which is made for the time being where the login may, and otherwise by reading rows by their place,
 * which reaches tables but no indexes.
 */
async function warmDatabase(
  session: WarmSession,
  hot: Hot,
  limits: { readonly budgetBytes: number; readonly untilMs: number },
): Promise<{ readonly warmedBytes: number; readonly reasons: readonly string[] }> {
  const { rows } = session;
  await rows(settings({ statement_timeout: String(STATEMENT_MS) }));
  const { here, blockBytes } = await restoredRelations(rows);
  const prewarm = await prewarmSchema(session);
  const reachable = prewarm === undefined ? here.filter(({ kind }) => kind === 'table') : here;
  const budget = Math.floor(limits.budgetBytes / blockBytes);
  const { chosen, left } = chooseBlocks(hot.relations, reachable, budget);
  if (prewarm === undefined)
    await rows(settings({ enable_seqscan: 'off', max_parallel_workers_per_gather: '0' }));
  const reasons = [...(prewarm === undefined ? [NO_INDEXES] : []), ...(left > 0 ? [TOO_SMALL] : [])];
  let blocks = 0;
  for (const batch of inBatches(chosen)) {
    if (Date.now() > limits.untilMs) {
      reasons.push(NOT_IN_TIME);
      break;
    }
    await rows(prewarm === undefined ? readingOf(batch) : prewarmingOf(batch, prewarm));
    blocks += batch.reduce((sum, stretch) => sum + lengthOf(stretch), 0);
  }
  return { warmedBytes: blocks * blockBytes, reasons };
}

const NO_INDEXES = 'Indexes are cold: pg_prewarm is not in the database, and this login may not make it.';
const TOO_SMALL = "The target's shared_buffers are too small for all that was hot.";

function settings(values: Readonly<Record<string, string>>): string {
  const calls = Object.entries(values).map(
    ([name, value], index) => `pg_catalog.set_config(${literal(name)}, ${literal(value)}, true) AS s${index}`,
  );
  return `SELECT ${calls.join(', ')}`;
}

function* inBatches(chosen: readonly Stretch[]): Generator<readonly Stretch[]> {
  let batch: Stretch[] = [];
  let blocks = 0;
  for (const stretch of chosen.flatMap(inPieces)) {
    if (batch.length === STRETCHES_A_QUERY || (blocks > 0 && blocks + lengthOf(stretch) > BLOCKS_A_QUERY)) {
      yield batch;
      batch = [];
      blocks = 0;
    }
    batch.push(stretch);
    blocks += lengthOf(stretch);
  }
  if (batch.length > 0) yield batch;
}

function inPieces(stretch: Stretch): Stretch[] {
  const count = Math.ceil(lengthOf(stretch) / BLOCKS_A_QUERY);
  return Array.from({ length: count }, (_, index) => {
    const first = stretch.first + index * BLOCKS_A_QUERY;
    return { ...stretch, first, last: Math.min(stretch.last, first + BLOCKS_A_QUERY - 1) };
  });
}

/** How much of a server's buffers may be filled, in bytes. */
async function warmBudgetBytes(rows: Rows): Promise<number> {
  const [row] = await rows(
    `SELECT pg_catalog.pg_size_bytes(pg_catalog.current_setting('shared_buffers'))::text AS bytes`,
  );
  return Math.floor(Number(text(row!, 'bytes')) * SHARE_OF_CACHE);
}

async function restoredRelations(
  rows: Rows,
): Promise<{ readonly here: readonly RestoredRelation[]; readonly blockBytes: number }> {
  const found = await rows(`WITH ${RELATIONS}
    SELECT oid::text, kind, schema, name, pg_catalog.pg_relation_size(oid)::text AS bytes FROM relation`);
  const [size] = await rows(`SELECT pg_catalog.current_setting('block_size') AS bytes`);
  const blockBytes = Number(text(size!, 'bytes'));
  const here = found.map((row) => ({
    oid: text(row, 'oid'),
    ...namedOf(row),
    blocks: Math.floor(Number(text(row, 'bytes')) / blockBytes),
  }));
  return { here, blockBytes };
}

/** In every database. */
const PREWARM_SCHEMA = 'pg_catalog';

/** Where its function is; undefined where it cannot be had. No trigger of the application sees that it is made. */
async function prewarmSchema({ rows, attempt }: WarmSession): Promise<string | undefined> {
  const there = await schemaOfExtension(rows, 'pg_prewarm');
  if (there !== undefined) return there;
  const made =
    (await attempt('SET LOCAL session_replication_role = replica')) &&
    (await attempt(`CREATE EXTENSION pg_prewarm WITH SCHEMA ${PREWARM_SCHEMA}`));
  return made ? PREWARM_SCHEMA : undefined;
}

function prewarmingOf(batch: readonly Stretch[], schema: string): string {
  const calls = batch.map(
    ({ oid, first, last }) =>
      `${qualified(schema, 'pg_prewarm')}(${literal(oid)}::pg_catalog.oid::pg_catalog.regclass, 'buffer', 'main', ${first}, ${last})`,
  );
  return `SELECT (${calls.join(' + ')})::text AS blocks`;
}

/** A scan of a range of places goes by way of the ordinary buffers; one of the whole table would keep to a few of them. */
function readingOf(batch: readonly Stretch[]): string {
  const reads = batch.map(
    ({ schema, name, first, last }) =>
      `SELECT count(*) AS rows FROM ONLY ${qualified(schema, name)} WHERE ctid >= '(${first},0)' AND ctid < '(${last + 1},0)'`,
  );
  return `SELECT sum(rows)::text AS rows FROM (${reads.join(' UNION ALL ')}) AS read`;
}
