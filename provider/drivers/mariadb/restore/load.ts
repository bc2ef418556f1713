import { hashedAgain } from '../../../core/blobs.ts';
import { concurrently } from '../../../core/concurrently.ts';
import type { Context } from '../../../core/context.ts';
import type { BlobReader } from '../../../core/store.ts';
import { requalified } from '../capture/definitions.ts';
import { insertInto } from '../capture/tables.ts';
import { Connection } from '../connect/connection.ts';
import type { Place } from '../connect/place.ts';
import { identifier, qualified } from '../connect/sql.ts';
import type { CapturedDatabase, DatabaseIndex } from '../content.ts';

/** What is loaded, and under which name. */
export interface Loading {
  readonly captured: CapturedDatabase;
  readonly index: DatabaseIndex;
  readonly into: string;
}

/** Rows that go into one statement, unless one row is longer. */
const BATCH_BYTES = 1_000_000;
const LONG_MS = 600_000;

/** Makes databases, sequences and tables, without rows. */
export async function makeTables(
  session: Connection,
  all: readonly Loading[],
  names: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<void> {
  await session.run(session.product.loading, signal);
  for (const { captured, into } of all)
    await session.run(
      `CREATE DATABASE ${identifier(into)} CHARACTER SET ${captured.charset} COLLATE ${captured.collation}`,
      signal,
    );
  for (const { index, into } of all) {
    await session.run(`USE ${identifier(into)}`, signal);
    for (const { name, create, next, round } of index.sequences) {
      await session.run(create, signal, LONG_MS);
      await session.run(
        `SELECT SETVAL(${qualified(into, name)}, ${BigInt(next)}, 0, ${BigInt(round)})`,
        signal,
      );
    }
  }
  for (const { index, into } of all) {
    await session.run(`USE ${identifier(into)}`, signal);
    for (const { create } of index.tables) await session.run(requalified(create, names), signal, LONG_MS);
  }
}

interface Job {
  readonly into: string;
  readonly table: DatabaseIndex['tables'][number];
}

/** Fills the tables, the largest first, each by the next session that is free; then places their counters. */
export async function loadRows(
  place: Place,
  all: readonly Loading[],
  jobs: number,
  blobs: BlobReader,
  context: Context,
): Promise<void> {
  const waiting = all
    .flatMap(({ index, into }): Job[] => index.tables.map((table) => ({ into, table })))
    .sort((a, b) => a.table.rows.sizeBytes - b.table.rows.sizeBytes);
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  const work = async (): Promise<void> => {
    await using session = await Connection.open(place, { signal, purpose: 'load' });
    await session.run(session.product.loading, signal);
    for (let job = waiting.pop(); job; job = waiting.pop()) {
      context.progress({ step: 'load', message: job.table.name });
      await loadTable(session, job, blobs, signal);
    }
  };
  await concurrently(Array.from({ length: Math.min(jobs, waiting.length) }), work, () => stop.abort());
}

async function loadTable(
  session: Connection,
  { into, table }: Job,
  blobs: BlobReader,
  signal: AbortSignal,
): Promise<void> {
  const prefix = Buffer.from(insertInto(into, table.name, table.columns), 'utf8').toString('latin1');
  for await (const lines of batchesOf(hashedAgain(blobs, table.rows.digest)))
    await session.runBytes(`${prefix}${lines}`, signal);
  if (table.next !== undefined)
    await session.run(
      `ALTER TABLE ${qualified(into, table.name)} AUTO_INCREMENT = ${BigInt(table.next)}`,
      signal,
      LONG_MS,
    );
  // InnoDB guesses how many rows there are until it is told to look.
  await session.run(`ANALYZE NO_WRITE_TO_BINLOG TABLE ${qualified(into, table.name)}`, signal, LONG_MS);
}

/** Lists of rows, each of whole lines, without the comma after the last: bytes, one a character. */
async function* batchesOf(content: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let rest = Buffer.alloc(0);
  for await (const chunk of content) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= BATCH_BYTES) {
      const before = rest.lastIndexOf(10, BATCH_BYTES - 1);
      const end = before >= 0 ? before : rest.indexOf(10, BATCH_BYTES);
      if (end < 0) break;
      yield rest.toString('latin1', 0, end - 1);
      rest = rest.subarray(end + 1);
    }
  }
  if (rest.length > 0) yield rest.toString('latin1', 0, rest.length - 2);
}
