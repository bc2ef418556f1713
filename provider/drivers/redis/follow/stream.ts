import type { BlobReader } from '../../../core/store.ts';
import type { CapturedContent } from '../content.ts';
import { isOwnKey, LOADING_KEY } from '../fingerprint-key.ts';
import { moved } from '../loader.ts';
import { readRdb } from '../rdb/reader.ts';
import { RDB_TYPE, versionOfType } from '../rdb/types.ts';
import { rdbEnd, rdbHeader, rdbKey, rdbString, resizeDatabase, selectDatabase } from '../rdb/writer.ts';

export interface StreamOptions {
  /** From a database of the capture to the one that it is loaded into. */
  readonly loadInto: ReadonlyMap<number, number>;
  readonly shiftMs: number;
  readonly restoreId: string;
}

/** The lowest RDB version that has all types of a capture: an older target takes what RESTORE would take as well. */
export function rdbVersionFor(content: CapturedContent): number {
  return Math.max(...content.types.map(versionOfType), 9);
}

/**
 * The RDB of a capture as a target is to load it: each database under the number of the free one that it is loaded
 * into, with the mark of the restore as its first key; expiry times moved; functions, which are loaded by themselves,
 * and keys of our own left out.
 */
export async function* rdbToLoad(
  content: CapturedContent,
  blobs: BlobReader,
  { loadInto, shiftMs, restoreId }: StreamOptions,
): AsyncGenerator<Buffer> {
  yield rdbHeader(rdbVersionFor(content));
  let db: number | undefined;
  const mark = rdbKey({
    key: Buffer.from(LOADING_KEY),
    type: RDB_TYPE.string,
    payload: rdbString(restoreId),
    expireAtMs: undefined,
    idleSeconds: undefined,
    frequency: undefined,
  });
  for await (const records of readRdb(blobs.get(content.rdb))) {
    const parts: Buffer[] = [];
    for (const record of records) {
      if (record.kind !== 'key' || isOwnKey(record.key)) continue;
      if (record.db !== db) {
        db = record.db;
        parts.push(selectDatabase(loadInto.get(db)!));
        if (content.databases.length === 1) parts.push(resizeDatabase(content.keys + 1, 0));
        parts.push(...mark);
      }
      const expireAtMs = moved(record.expireAtMs, shiftMs);
      parts.push(...rdbKey({ ...record, expireAtMs: expireAtMs && Math.round(expireAtMs) }));
    }
    if (parts.length > 0) yield Buffer.concat(parts);
  }
  yield rdbEnd();
}
