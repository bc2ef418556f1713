import type { PendingEntry, StreamEntry, StreamGroup, StreamValue } from '../value.ts';
import type { Cursor } from './cursor.ts';
import { malformed } from './malformed.ts';
import { listpack } from './packed.ts';
import { RDB_TYPE } from './types.ts';

const ENTRY_DELETED = 1;
const ENTRY_SAME_FIELDS = 2;

/**
 * A stream: its nodes, each named by the id that the ids in it are relative to; counters; groups. The counters that
 * only estimate a group's lag (entries ever added and read, greatest deleted id) are passed over.
 */
export function decodeStream(cursor: Cursor, type: number): StreamValue {
  const nodes: [Buffer, Buffer][] = [];
  for (let count = cursor.length(); count > 0; count -= 1) nodes.push([cursor.string(), cursor.string()]);
  cursor.wide();
  const lastId = `${cursor.wide()}-${cursor.wide()}`;
  if (type !== RDB_TYPE.stream) for (let skipped = 0; skipped < 5; skipped += 1) cursor.wide();
  const groups: StreamGroup[] = [];
  for (let count = cursor.length(); count > 0; count -= 1) groups.push(decodeGroup(cursor, type));
  return { type: 'stream', entries: entriesOf(nodes), lastId, groups };
}

function* entriesOf(nodes: readonly [Buffer, Buffer][]): Generator<StreamEntry> {
  for (const [id, packed] of nodes) yield* entriesOfNode(id, packed);
}

/** One node: a master entry with the usual fields, then entries that say only where they differ from it. */
function* entriesOfNode(nodeId: Buffer, packed: Buffer): Generator<StreamEntry> {
  if (nodeId.length !== 16) throw malformed('a stream node has no id');
  const [baseMs, baseSeq] = [nodeId.readBigUInt64BE(0), nodeId.readBigUInt64BE(8)];
  const elements = listpack(packed);
  const next = (): Buffer => {
    const { value, done } = elements.next();
    if (done) throw malformed('a stream node is cut short');
    return value;
  };
  const number = (): number => Number(next().toString('latin1'));
  const wide = (): bigint => BigInt(next().toString('latin1'));
  let left = number() + number();
  const usual = Array.from({ length: number() }, next);
  next();
  for (; left > 0; left -= 1) {
    const flags = number();
    // Both differences are signed numbers of 64 bits, and wrap around.
    const id = `${BigInt.asUintN(64, baseMs + wide())}-${BigInt.asUintN(64, baseSeq + wide())}`;
    const fields: Buffer[] = [];
    if (flags & ENTRY_SAME_FIELDS) for (const field of usual) fields.push(field, next());
    else for (let count = number(); count > 0; count -= 1) fields.push(next(), next());
    next();
    if (!(flags & ENTRY_DELETED)) yield { id, fields };
  }
}

function decodeGroup(cursor: Cursor, type: number): StreamGroup {
  const name = cursor.string();
  const lastId = `${cursor.wide()}-${cursor.wide()}`;
  if (type !== RDB_TYPE.stream) cursor.wide();
  const delivered: { id: string; deliveredAtMs: number; deliveries: number }[] = [];
  for (let count = cursor.length(); count > 0; count -= 1)
    delivered.push({ id: rawId(cursor), deliveredAtMs: cursor.milliseconds(), deliveries: cursor.length() });
  const consumers: Buffer[] = [];
  const owners = new Map<string, Buffer>();
  for (let count = cursor.length(); count > 0; count -= 1) {
    const consumer = cursor.string();
    consumers.push(consumer);
    cursor.skip(type === RDB_TYPE.stream3 ? 16 : 8);
    for (let owned = cursor.length(); owned > 0; owned -= 1) owners.set(rawId(cursor), consumer);
  }
  const pending = delivered.map((entry): PendingEntry => {
    const consumer = owners.get(entry.id);
    if (consumer === undefined) throw malformed('a pending entry has no consumer');
    return { ...entry, consumer };
  });
  return { name, lastId, consumers, pending };
}

function rawId(cursor: Cursor): string {
  const bytes = cursor.take(16);
  return `${bytes.readBigUInt64BE(0)}-${bytes.readBigUInt64BE(8)}`;
}
