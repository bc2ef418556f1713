import type { Context } from '../../core/context.ts';
import { throwIfAborted } from '../../core/errors.ts';
import { bytes, type Command, type Connection, list, type Reply, ReplyError, text } from './connection.ts';
import { addKey, isOwnKey } from './fingerprint-key.ts';
import type { FingerprintTable } from './fingerprint-table.ts';
import type { ServerFacts } from './info.ts';
import { countCommand, GONE, NEVER, readCommand, valueOfReply } from './live-values.ts';

/** Keys a round of SCAN, of which types and expiry times are asked for at once. */
const KEYS_A_SCAN = 1_000;
/** Values are read in one write, up to this many elements in all; a larger one by itself. */
const ELEMENTS_A_READ = 20_000;
/** And up to this many values, each of which may be a string of SMALL_STRING_BYTES. */
const VALUES_A_READ = 250;

export interface LiveDatabase {
  /** Where it is on the server. */
  readonly db: number;
  /** Which one it is, or will be once it is released. */
  readonly as: number;
}

export interface LiveOptions {
  readonly facts: ServerFacts;
  /** By how much expiry times were moved when the keys were restored. */
  readonly shiftMs: number;
  readonly context: Context;
}

interface FoundKey {
  readonly key: Buffer;
  readonly type: string;
  readonly expireAtMs: number | undefined;
}

/**
 * Reads all keys of a database of a running server by ordinary commands, independent of any dump, into the table. On a
 * server in use it is a view of each key at some instant, not of all at one. One value at a time is in memory, or
 * small ones by the hundred.
 */
export async function readDatabase(
  connection: Connection,
  { db, as }: LiveDatabase,
  table: FingerprintTable,
  options: LiveOptions,
): Promise<void> {
  const { facts, shiftMs, context } = options;
  const { signal } = context;
  await connection.call(['SELECT', String(db)], { signal });
  let cursor = '0';
  do {
    const [next, found] = list(
      await connection.call(['SCAN', cursor, 'COUNT', String(KEYS_A_SCAN)], { signal }),
    );
    cursor = text(next);
    const keys = list(found)
      .map(bytes)
      .filter((key) => !isOwnKey(key));
    for (const batch of batches(
      await measure(connection, await inspect(connection, keys, facts, signal), signal),
    )) {
      const replies = await connection.pipeline(
        batch.map(({ type, key }) => readCommand(type, key)),
        { signal },
      );
      for (const [index, { key, type, expireAtMs }] of batch.entries()) {
        const value = await valueOfReply(connection, type, key, replies[index]!, hasFieldExpiry(facts));
        if (value !== undefined) addKey(table, as, key, value, expireAtMs, shiftMs);
      }
    }
    context.progress({ step: 'compare', message: `${table.length} objects read` });
  } while (cursor !== '0');
}

export function hasFieldExpiry({ product, major, minor }: ServerFacts): boolean {
  return product === 'valkey' ? major >= 9 : major > 7 || (major === 7 && minor >= 4);
}

/** Types and expiry times; keys that are gone by now are left out. */
async function inspect(
  connection: Connection,
  keys: readonly Buffer[],
  facts: ServerFacts,
  signal: AbortSignal,
): Promise<FoundKey[]> {
  const types = await connection.pipeline(
    keys.map((key): Command => ['TYPE', key]),
    { signal },
  );
  const times =
    facts.major >= 7
      ? await expiryTimes(connection, keys, signal)
      : await expiryTimesBefore7(connection, keys, signal);
  const found: FoundKey[] = [];
  for (const [index, key] of keys.entries()) {
    const type = text(types[index]);
    const time = times[index]!;
    if (type === 'none' || time === GONE) continue;
    found.push({ key, type, expireAtMs: time === NEVER ? undefined : time });
  }
  return found;
}

async function expiryTimes(
  connection: Connection,
  keys: readonly Buffer[],
  signal: AbortSignal,
): Promise<number[]> {
  const replies = await connection.pipeline(
    keys.map((key): Command => ['PEXPIRETIME', key]),
    { signal },
  );
  return replies.map(Number);
}

/**
 * Redis 6.2 tells only what is left: added to the server's clock, read just before and after. Where the two are not
 * of one millisecond the sum would not be exact, and it is asked again.
 */
async function expiryTimesBefore7(
  connection: Connection,
  keys: readonly Buffer[],
  signal: AbortSignal,
): Promise<number[]> {
  const times = new Array<number>(keys.length).fill(NEVER);
  const left = await connection.pipeline(
    keys.map((key): Command => ['PTTL', key]),
    { signal },
  );
  let open = [...keys.keys()].filter((index) => {
    if (left[index] === GONE) times[index] = GONE;
    return Number(left[index]) >= 0;
  });
  while (open.length > 0) {
    throwIfAborted(signal);
    const replies = await connection.pipeline(
      open.flatMap((index): Command[] => [['TIME'], ['PTTL', keys[index]!], ['TIME']]),
      { signal },
    );
    open = open.filter((index, position) => {
      const [before, remaining, after] = replies.slice(position * 3, position * 3 + 3);
      const [beforeMs, afterMs] = [clockOf(before), clockOf(after)];
      if (beforeMs !== afterMs) return true;
      times[index] = remaining === GONE ? GONE : beforeMs + Number(remaining);
      return false;
    });
  }
  return times;
}

/** TIME: seconds and microseconds. */
function clockOf(reply: Reply | ReplyError | undefined): number {
  const [seconds, microseconds] = list(reply).map((part) => Number(text(part)));
  return (seconds ?? 0) * 1000 + Math.floor((microseconds ?? 0) / 1000);
}

async function measure(
  connection: Connection,
  found: readonly FoundKey[],
  signal: AbortSignal,
): Promise<(FoundKey & { readonly elements: number })[]> {
  const counted = found.map(({ type, key }) => countCommand(type, key));
  const commands = counted.filter((command) => command !== undefined);
  const replies = commands.length > 0 ? await connection.pipeline(commands, { signal }) : [];
  let next = 0;
  return found.map((key, index) => {
    if (counted[index] === undefined) return { ...key, elements: 1 };
    const reply = replies[next++];
    return { ...key, elements: reply instanceof ReplyError ? 1 : Number(reply) };
  });
}

/** Several small values together; a large one alone. */
function* batches<T extends { readonly elements: number }>(keys: readonly T[]): Generator<readonly T[]> {
  let batch: T[] = [];
  let elements = 0;
  for (const key of keys) {
    if (batch.length > 0 && (elements + key.elements > ELEMENTS_A_READ || batch.length >= VALUES_A_READ)) {
      yield batch;
      batch = [];
      elements = 0;
    }
    batch.push(key);
    elements += key.elements;
  }
  if (batch.length > 0) yield batch;
}
