import type { HashField, Value } from '../value.ts';
import { Cursor, NEED_MORE } from './cursor.ts';
import { malformed } from './malformed.ts';
import { intset, listpack, pairs, ziplist } from './packed.ts';
import { parseScore } from './score.ts';
import { moduleNameOf, moduleStrings } from './skip.ts';
import { decodeStream } from './stream.ts';
import { RDB_TYPE } from './types.ts';

/** How a node of a quicklist holds its elements: one alone, or packed. */
const NODE_PLAIN = 1;

/**
 * A value from its bytes in an RDB or a DUMP payload. The iterables read the bytes as they are consumed.
 * @throws StasisError `redis.rdb-malformed`, here or while they are consumed.
 */
export function decodeValue(type: number, payload: Buffer): Value {
  try {
    return decode(type, new Cursor(payload));
  } catch (thrown) {
    throw whole(thrown);
  }
}

function decode(type: number, cursor: Cursor): Value {
  switch (type) {
    case RDB_TYPE.string:
      return { type: 'string', bytes: cursor.string() };
    case RDB_TYPE.list:
      return { type: 'list', elements: strings(cursor) };
    case RDB_TYPE.listZiplist:
      return { type: 'list', elements: ziplist(cursor.string()) };
    case RDB_TYPE.listQuicklist:
      return { type: 'list', elements: quicklist(cursor, false) };
    case RDB_TYPE.listQuicklist2:
      return { type: 'list', elements: quicklist(cursor, true) };
    case RDB_TYPE.set:
      return { type: 'set', members: strings(cursor) };
    case RDB_TYPE.setIntset:
      return { type: 'set', members: intset(cursor.string()) };
    case RDB_TYPE.setListpack:
      return { type: 'set', members: listpack(cursor.string()) };
    case RDB_TYPE.zsetText:
    case RDB_TYPE.zset:
      return { type: 'zset', members: scored(cursor, type === RDB_TYPE.zset) };
    case RDB_TYPE.zsetZiplist:
      return { type: 'zset', members: textScores(ziplist(cursor.string())) };
    case RDB_TYPE.zsetListpack:
      return { type: 'zset', members: textScores(listpack(cursor.string())) };
    case RDB_TYPE.stream:
    case RDB_TYPE.stream2:
    case RDB_TYPE.stream3:
      return decodeStream(cursor, type);
    case RDB_TYPE.module:
      return { type: 'module', module: moduleNameOf(cursor.bytes), strings: moduleStrings(cursor.bytes) };
    default:
      return { type: 'hash', fields: hashFields(type, cursor) };
  }
}

function hashFields(type: number, cursor: Cursor): Iterable<HashField> {
  switch (type) {
    case RDB_TYPE.hash:
      return plainFields(strings(cursor, 2));
    case RDB_TYPE.hashZiplist:
      return plainFields(ziplist(cursor.string()));
    case RDB_TYPE.hashListpack:
      return plainFields(listpack(cursor.string()));
    case RDB_TYPE.hashFieldsExpire:
      return expiringFields(cursor);
    case RDB_TYPE.hashListpackFieldsExpire:
      cursor.skip(8);
      return packedExpiringFields(listpack(cursor.string()));
    case RDB_TYPE.hashFieldsExpireValkey:
      return valkeyFields(cursor);
  }
  throw malformed(`a value of type ${type} is not known`);
}

function* strings(cursor: Cursor, each = 1): Generator<Buffer> {
  yield* guarded(each * cursor.length(), () => cursor.string());
}

function* quicklist(cursor: Cursor, marked: boolean): Generator<Buffer> {
  const nodes = guarded(cursor.length(), () => ({
    plain: marked && cursor.length() === NODE_PLAIN,
    bytes: cursor.string(),
  }));
  for (const { plain, bytes } of nodes)
    if (plain) yield bytes;
    else yield* marked ? listpack(bytes) : ziplist(bytes);
}

function scored(cursor: Cursor, binary: boolean): Generator<readonly [Buffer, number]> {
  return guarded(cursor.length(), () => {
    const member = cursor.string();
    return [member, binary ? cursor.double() : cursor.textDouble()] as const;
  });
}

function* textScores(elements: Iterable<Buffer>): Generator<readonly [Buffer, number]> {
  for (const [member, score] of pairs(elements)) yield [member, parseScore(score.toString('latin1'))];
}

function* plainFields(elements: Iterable<Buffer>): Generator<HashField> {
  for (const [field, value] of pairs(elements)) yield { field, value };
}

/** Redis 7.4: the least expiry time, then for each field how much later it expires plus one, 0 for never. */
function expiringFields(cursor: Cursor): Generator<HashField> {
  const leastMs = cursor.milliseconds();
  return guarded(cursor.length(), () => {
    const later = cursor.length();
    const field = cursor.string();
    const value = cursor.string();
    return later === 0 ? { field, value } : { field, value, expireAtMs: leastMs + later - 1 };
  });
}

/** Redis 7.4, packed: field, value and expiry time by turns, 0 for never. */
function* packedExpiringFields(elements: Iterable<Buffer>): Generator<HashField> {
  let parts: Buffer[] = [];
  for (const element of elements) {
    parts.push(element);
    if (parts.length < 3) continue;
    const [field, value, expiry] = parts as [Buffer, Buffer, Buffer];
    const expireAtMs = Number(expiry.toString('latin1'));
    yield expireAtMs === 0 ? { field, value } : { field, value, expireAtMs };
    parts = [];
  }
  if (parts.length > 0) throw malformed('a hash with expiring fields is cut short');
}

/** Valkey 9: field, value, expiry time as eight bytes, -1 for never. */
function valkeyFields(cursor: Cursor): Generator<HashField> {
  return guarded(cursor.length(), () => {
    const field = cursor.string();
    const value = cursor.string();
    const expireAtMs = cursor.milliseconds();
    return expireAtMs < 0 ? { field, value } : { field, value, expireAtMs };
  });
}

function* guarded<T>(count: number, read: () => T): Generator<T> {
  for (let index = 0; index < count; index += 1) {
    let item: T;
    try {
      item = read();
    } catch (thrown) {
      throw whole(thrown);
    }
    yield item;
  }
}

/** The value is all there is: what would wait for more bytes in a stream is an error here. */
function whole(thrown: unknown): unknown {
  return thrown === NEED_MORE || thrown instanceof RangeError ? malformed('a value is cut short') : thrown;
}
