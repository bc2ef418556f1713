import { StasisError } from '../../../core/errors.ts';
import { formatBytes } from '../../../core/units.ts';
import { sleep } from '../../../core/wait.ts';
import { NOT_IN_TIME, WARM_MS } from '../../../core/warmth.ts';
import type { Connection } from '../connect/connection.ts';
import { identifier, optionalText, qualified, text } from '../connect/sql.ts';
import { keyAt, type Part, type Reading } from './choose.ts';
import { endOf, keyOf, type PoolStretch, readPool } from './pool.ts';

/** In the target's pages there are `scale` times as many. */
export interface Planned extends Reading {
  readonly into: string;
  readonly scale: number;
}

/** A server's buffer pool. */
export interface Pool {
  readonly pageBytes: number;
  /** What may be filled of it. */
  readonly roomPages: number;
  /** Where pages come in that are read, and the first to go (innodb_old_blocks_pct). */
  readonly oldPages: number;
  /** What is asked for again so long after it came in goes to the others (innodb_old_blocks_time). */
  readonly oldMs: number;
}

/** Of those pages as many may come in before they are asked for again, as what comes in pushes them out. */
const SHARE_OF_OLD = 0.5;
/** For a clock that ticks in milliseconds. */
const OLD_GRACE_MS = 50;
const MOST_OLD_MS = 5_000;
const GRACE_MS = 5_000;

interface Step {
  readonly statement: string;
  readonly pages: number;
}

/**
 * Reads in batches, and each of them twice: a page that is asked for once goes as soon as another comes in. Then it looks how
 * much of it is there.
 */
export async function readBack(
  planned: readonly Planned[],
  pool: Pool,
  connection: Connection,
  signal: AbortSignal,
): Promise<{ readonly warmedPages: number; readonly reasons: readonly string[] }> {
  const untilMs = Date.now() + WARM_MS;
  const batchPages = Math.max(1, pool.oldPages * SHARE_OF_OLD);
  const before = await pagesThere(planned, connection, signal);
  const missing = planned.filter((one, index) => before === undefined || before[index]! < wantedOf(one));
  const steps: Step[] = [];
  for (const one of missing) steps.push(...(await stepsOf(one, batchPages, connection, signal)));
  let inTime = true;
  for (const batch of inBatches(steps, batchPages)) {
    inTime &&= await readAll(batch, connection, untilMs, signal);
    if (!inTime) break;
    if (pool.oldMs > 0) await sleep(Math.min(pool.oldMs, MOST_OLD_MS) + OLD_GRACE_MS, signal);
    inTime &&= await readAll(batch, connection, untilMs, signal);
  }
  const late = inTime ? [] : [NOT_IN_TIME];
  const there = await pagesThere(planned, connection, signal);
  const wanted = sum(planned.map(wantedOf));
  if (there === undefined) return { warmedPages: inTime ? wanted : 0, reasons: [...late, NOT_LOOKED_AT] };
  const goneBytes = Math.round((wanted - sum(there)) * pool.pageBytes);
  const gone = inTime && goneBytes > 0 ? [`${formatBytes(goneBytes)} did not stay in the pool.`] : [];
  return { warmedPages: sum(there), reasons: [...late, ...gone] };
}

function wantedOf({ hotPages, scale }: Planned): number {
  return hotPages * scale;
}

function sum(pages: readonly number[]): number {
  return pages.reduce((all, one) => all + one, 0);
}

const NOT_LOOKED_AT = 'Whether all of it stayed is not known: the login of the target has no PROCESS.';

function* inBatches(steps: readonly Step[], most: number): Generator<readonly Step[]> {
  let batch: Step[] = [];
  let pages = 0;
  for (const step of steps) {
    if (batch.length > 0 && pages + step.pages > most) {
      yield batch;
      batch = [];
      pages = 0;
    }
    batch.push(step);
    pages += step.pages;
  }
  if (batch.length > 0) yield batch;
}

/** Whether it was done in time. */
async function readAll(
  steps: readonly Step[],
  connection: Connection,
  untilMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  for (const { statement } of steps) {
    const leftMs = untilMs - Date.now();
    if (leftMs <= 0) return false;
    try {
      await connection.run(`SET SESSION ${connection.product.patience(leftMs)}`, signal);
      await connection.run(statement, signal, leftMs + GRACE_MS);
    } catch (error) {
      if (error instanceof StasisError && Date.now() >= untilMs) return false;
      throw error;
    }
  }
  return true;
}

/** Each of at most so many pages, where it can be cut. None where there are no rows. */
async function stepsOf(
  { into, table, index, by, pages, scale }: Planned,
  mostPages: number,
  connection: Connection,
  signal: AbortSignal,
): Promise<readonly Step[]> {
  const name = qualified(into, table);
  const hint = index === 'GEN_CLUST_INDEX' ? 'USE INDEX ()' : `FORCE INDEX (${identifier(index)})`;
  const all = `SELECT COUNT(*) AS n FROM ${name} ${hint}`;
  if (by === undefined) return [{ statement: all, pages: pages * scale }];
  const key = identifier(by.key);
  const ends = `SELECT MIN(${key}) AS least, MAX(${key}) AS most FROM ${name}`;
  const [row] = await connection.rows(ends, signal);
  const least = optionalText(row, 'least');
  if (least === undefined) return [];
  const at = (share: number): bigint => keyAt(BigInt(least), BigInt(text(row, 'most')), share);
  const pagesIn = (part: Part): number => ((part[1] - part[0]) / shareOf(by.parts)) * pages * scale;
  return by.parts.flatMap((part) => {
    const count = Math.ceil(pagesIn(part) / mostPages);
    return Array.from({ length: count }, (_, nth) => {
      const [low, high] = [nth, nth + 1].map((n) => at(part[0] + ((part[1] - part[0]) * n) / count));
      return { statement: `${all} WHERE ${key} BETWEEN ${low} AND ${high}`, pages: pagesIn(part) / count };
    });
  });
}

function shareOf(parts: readonly Part[]): number {
  return sum(parts.map(([low, high]) => high - low));
}

/** How many of the pages that were hot are in the pool, of each; undefined where the login may not look. */
async function pagesThere(
  planned: readonly Planned[],
  connection: Connection,
  signal: AbortSignal,
): Promise<readonly number[] | undefined> {
  const databases = [...new Set(planned.map(({ into }) => into))];
  if (databases.length === 0) return [];
  const pool = await readPool(connection, databases, signal).catch(() => undefined);
  if (pool === undefined) return undefined;
  const byTable = Map.groupBy(pool, ({ database, table }) => keyOf(database, table));
  return planned.map((one) =>
    Math.min(wantedOf(one), pagesOf(one, byTable.get(keyOf(one.into, one.table)) ?? [])),
  );
}

/** A restored table lies in the order of its keys, so that a part of them is the same part of its file. */
function pagesOf({ index, by, filePages }: Planned, table: readonly PoolStretch[]): number {
  const end = Math.max(filePages, endOf(table));
  const own = table.filter((one) => one.index === index);
  const within = (one: PoolStretch, [low, high]: Part): number => {
    const common = Math.min(one.last + 1, high * end) - Math.max(one.first, low * end);
    return (Math.max(0, common) / (one.last + 1 - one.first)) * one.pages;
  };
  return own.reduce(
    (sum, one) =>
      sum + (by === undefined ? one.pages : by.parts.reduce((pages, part) => pages + within(one, part), 0)),
    0,
  );
}
