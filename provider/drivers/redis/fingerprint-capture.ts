import { hash } from 'node:crypto';
import type { Fingerprint } from '../../core/fingerprint.ts';
import type { BlobReader } from '../../core/store.ts';
import type { CapturedContent } from './content.ts';
import { libraryName } from './content.ts';
import { DIGEST_BYTES } from './content-digest.ts';
import { addKey, isOwnKey } from './fingerprint-key.ts';
import { FingerprintTable } from './fingerprint-table.ts';
import { functionObject, userObject } from './names.ts';
import { decodeValue } from './rdb/decode.ts';
import { readRdb } from './rdb/reader.ts';
import { settingEntries } from './server-settings.ts';

/** The fingerprint of a capture: from its RDB, by the parser, with the server out of it. */
export async function* fingerprintOfCapture(content: CapturedContent, blobs: BlobReader): Fingerprint {
  const table = new FingerprintTable();
  for (const { name, rights } of content.userRights) addUser(table, name, rights);
  for await (const records of readRdb(blobs.get(content.rdb)))
    for (const record of records) {
      if (record.kind === 'function') addLibrary(table, libraryName(record.code), record.code);
      if (record.kind !== 'key' || isOwnKey(record.key)) continue;
      addKey(table, record.db, record.key, decodeValue(record.type, record.payload), record.expireAtMs);
    }
  yield* table.entries();
  yield* settingEntries(content.settings);
}

export function addLibrary(table: FingerprintTable, name: string, code: Buffer): void {
  table.add({ object: functionObject(name), kind: 'function', digest: digest(code), size: code.length });
}

/** A user's name is latin1 text of its bytes. */
export function addUser(table: FingerprintTable, name: string, rights: string): void {
  const bytes = Buffer.from(rights, 'latin1');
  table.add({
    object: userObject(Buffer.from(name, 'latin1')),
    kind: 'user',
    digest: digest(bytes),
    size: bytes.length,
  });
}

function digest(bytes: Buffer): Buffer {
  return hash('sha256', bytes, 'buffer').subarray(0, DIGEST_BYTES);
}
