import type { BlobReader } from '../../core/store.ts';
import { type CapturedContent, libraryName } from './content.ts';
import { readRdb } from './rdb/reader.ts';

/** A library of functions. */
export interface Library {
  readonly name: string;
  readonly code: Buffer;
}

/** The libraries of a capture. They come before any key, so little of the RDB is read. */
export async function capturedLibraries(content: CapturedContent, blobs: BlobReader): Promise<Library[]> {
  const libraries: Library[] = [];
  if (content.functions.length === 0) return libraries;
  for await (const records of readRdb(blobs.get(content.rdb)))
    for (const record of records) {
      if (record.kind === 'function')
        libraries.push({ name: libraryName(record.code), code: Buffer.from(record.code) });
      if (record.kind === 'key' || libraries.length === content.functions.length) return libraries;
    }
  return libraries;
}
