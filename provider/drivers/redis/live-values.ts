import {
  bytes,
  type Command,
  type Connection,
  inPairs,
  list,
  named,
  type Reply,
  ReplyError,
  text,
} from './connection.ts';
import { replyProblem } from './problems.ts';
import { openPayload } from './rdb/payload.ts';
import { parseScore } from './rdb/score.ts';
import { moduleNameOf, moduleStrings } from './rdb/skip.ts';
import type { HashField, PendingEntry, StreamGroup, Value } from './value.ts';

/** A string longer than this is read by itself. */
export const SMALL_STRING_BYTES = 65_536;

/** The command that reads a whole value of a type; other types are of modules, and only DUMP reads them. */
export function readCommand(type: string, key: Buffer): Command {
  switch (type) {
    case 'string':
      return ['GETRANGE', key, '0', String(SMALL_STRING_BYTES - 1)];
    case 'list':
      return ['LRANGE', key, '0', '-1'];
    case 'set':
      return ['SMEMBERS', key];
    case 'zset':
      return ['ZRANGE', key, '0', '-1', 'WITHSCORES'];
    case 'hash':
      return ['HGETALL', key];
    case 'stream':
      return ['XINFO', 'STREAM', key, 'FULL', 'COUNT', '0'];
    default:
      return ['DUMP', key];
  }
}

/** The command that tells how many elements it has, so that large values are read one at a time. */
export function countCommand(type: string, key: Buffer): Command | undefined {
  const commands: Readonly<Record<string, string>> = {
    list: 'LLEN',
    set: 'SCARD',
    zset: 'ZCARD',
    hash: 'HLEN',
    stream: 'XLEN',
  };
  const command = commands[type];
  return command === undefined ? undefined : [command, key];
}

/** What the reply of `readCommand` says; undefined when the key is gone. */
export async function valueOfReply(
  connection: Connection,
  type: string,
  key: Buffer,
  reply: Reply | ReplyError,
  fieldExpiry: boolean,
): Promise<Value | undefined> {
  if (reply instanceof ReplyError) {
    if (reply.code === 'WRONGTYPE' || /no such key/i.test(reply.message)) return undefined;
    throw replyProblem(readCommand(type, key), reply);
  }
  if (reply === null) return undefined;
  switch (type) {
    case 'string':
      return stringOf(connection, key, bytes(reply));
    case 'list':
      return { type, elements: list(reply).map(bytes) };
    case 'set':
      return { type, members: list(reply).map(bytes) };
    case 'zset':
      return {
        type,
        members: inPairs(reply).map(([member, score]) => [bytes(member), parseScore(text(score))] as const),
      };
    case 'hash':
      return { type, fields: await fieldsOf(connection, key, reply, fieldExpiry) };
    case 'stream':
      return streamOf(reply);
  }
  // A module's own type: its value is read as DUMP writes it.
  const { value } = openPayload(bytes(reply));
  return { type: 'module', module: moduleNameOf(value), strings: moduleStrings(value) };
}

/** GETRANGE answers with nothing for a key that has just expired, as for an empty one. */
async function stringOf(connection: Connection, key: Buffer, start: Buffer): Promise<Value | undefined> {
  if (start.length === 0 && (await connection.call(['EXISTS', key])) === 0) return undefined;
  if (start.length < SMALL_STRING_BYTES) return { type: 'string', bytes: start };
  const whole = await connection.call(['GET', key]);
  return whole === null ? undefined : { type: 'string', bytes: bytes(whole) };
}

/** How many expiry times are asked for at once. */
const FIELDS_A_CALL = 1_000;
/** What PEXPIRETIME and HPEXPIRETIME answer when there is no time, and when there is no such thing any more. */
export const NEVER = -1;
export const GONE = -2;

/** Fields may expire by themselves since Redis 7.4 and Valkey 9. */
async function fieldsOf(
  connection: Connection,
  key: Buffer,
  reply: Reply,
  fieldExpiry: boolean,
): Promise<HashField[]> {
  const fields: HashField[] = inPairs(reply).map(([field, value]) => ({
    field: bytes(field),
    value: bytes(value),
  }));
  if (!fieldExpiry) return fields;
  const expiring: HashField[] = [];
  for (let start = 0; start < fields.length; start += FIELDS_A_CALL) {
    const some = fields.slice(start, start + FIELDS_A_CALL);
    const names = some.map(({ field }) => field);
    const times = list(
      await connection.call(['HPEXPIRETIME', key, 'FIELDS', String(names.length), ...names]),
    );
    for (const [index, field] of some.entries()) {
      const expireAtMs = Number(times[index] ?? NEVER);
      if (expireAtMs === GONE) continue;
      expiring.push(expireAtMs === NEVER ? field : { ...field, expireAtMs });
    }
  }
  return expiring;
}

/** XINFO STREAM FULL: names and values by turns, the same for groups and consumers in it. */
function streamOf(reply: Reply): Value {
  const stream = named(reply);
  return {
    type: 'stream',
    lastId: text(stream.get('last-generated-id')),
    entries: list(stream.get('entries')).map((entry) => {
      const [id, fields] = list(entry);
      return { id: text(id), fields: list(fields).map(bytes) };
    }),
    groups: list(stream.get('groups')).map(groupOf),
  };
}

function groupOf(reply: Reply): StreamGroup {
  const group = named(reply);
  const pending = list(group.get('pending') ?? group.get('pel')).map((entry): PendingEntry => {
    const [id, consumer, deliveredAtMs, deliveries] = list(entry);
    return {
      id: text(id),
      consumer: bytes(consumer),
      deliveredAtMs: Number(deliveredAtMs),
      deliveries: Number(deliveries),
    };
  });
  return {
    name: bytes(group.get('name')),
    lastId: text(group.get('last-delivered-id')),
    consumers: list(group.get('consumers')).map((consumer) => bytes(named(consumer).get('name'))),
    pending,
  };
}
