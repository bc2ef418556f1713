import type { Context } from '../../core/context.ts';
import { StasisError } from '../../core/errors.ts';
import type { BlobReader } from '../../core/store.ts';
import { type Command, type Connection, ReplyError } from './connection.ts';
import type { CapturedContent } from './content.ts';
import { isOwnKey } from './fingerprint-key.ts';
import { rdbVersionOf, type ServerFacts } from './info.ts';
import { replyProblem } from './problems.ts';
import { decodeValue } from './rdb/decode.ts';
import { dumpPayload } from './rdb/payload.ts';
import { type RdbKey, readRdb } from './rdb/reader.ts';
import { hasExpiringFields, readsType, versionOfType } from './rdb/types.ts';

/** Commands that are on their way at once: enough to keep the server busy, little to keep in memory. */
const COMMANDS_A_WRITE = 500;
const BYTES_A_WRITE = 8 * 1024 * 1024;
/** Fields of a hash that are set at once. */
const FIELDS_A_COMMAND = 500;
/** A large value takes the server longer than an ordinary command. */
const RESTORE_MS = 300_000;

export interface LoadOptions {
  readonly facts: ServerFacts;
  /** From a database of the capture to the one that it is loaded into. */
  readonly loadInto: ReadonlyMap<number, number>;
  /** Added to every expiry time, of keys and of fields. */
  readonly shiftMs: number;
  readonly context: Context;
}

/**
 * Loads the keys of a capture by RESTORE, with their expiry times and, where the source kept one, how recently or
 * often they were used. A key that has expired since is not made by the server.
 *
 * @throws StasisError `redis.key-exists` when somebody else writes, `redis.target-older`, `redis.target-memory`
 */
export async function loadKeys(
  connection: Connection,
  content: CapturedContent,
  blobs: BlobReader,
  options: LoadOptions,
): Promise<void> {
  const { context } = options;
  const queue = new Queue(connection, context.signal);
  let db: number | undefined;
  let loaded = 0;
  for await (const records of readRdb(blobs.get(content.rdb)))
    for (const record of records) {
      if (record.kind !== 'key' || isOwnKey(record.key)) continue;
      const into = options.loadInto.get(record.db);
      if (into === undefined)
        throw new StasisError(
          'redis.content-malformed',
          `The capture has keys in database ${record.db} and does not say so.`,
        );
      if (into !== db) await queue.add(['SELECT', String(into)]);
      db = into;
      for (const command of commandsFor(record, options)) await queue.add(command);
      loaded += 1;
      if (loaded % 10_000 === 0)
        context.progress({ step: 'load', message: `${loaded} of ${content.keys} keys` });
    }
  await queue.flush();
}

/** The commands that make a key on this server. */
function commandsFor(record: RdbKey, { facts, shiftMs }: LoadOptions): Command[] {
  const { key, type, payload } = record;
  const readable = readsType(facts.product, rdbVersionOf(facts), type);
  // The times inside such a value cannot be moved, and not every server reads it.
  if (hasExpiringFields(type) && (!readable || shiftMs !== 0)) return hashCommands(record, shiftMs);
  const expireAtMs = moved(record.expireAtMs, shiftMs);
  const usage: string[] = [];
  if (record.idleSeconds !== undefined) usage.push('IDLETIME', String(record.idleSeconds));
  else if (record.frequency !== undefined) usage.push('FREQ', String(record.frequency));
  return [
    [
      'RESTORE',
      key,
      String(expireAtMs ?? 0),
      dumpPayload(type, payload, versionOfType(type)),
      'ABSTTL',
      ...usage,
    ],
  ];
}

/** 0 would mean never: what expired before 1970 has expired all the same a millisecond later. */
export function moved(expireAtMs: number | undefined, shiftMs: number): number | undefined {
  return expireAtMs === undefined ? undefined : Math.max(1, expireAtMs + shiftMs);
}

/** A hash with fields that expire, made by ordinary commands. */
function hashCommands({ key, type, payload, expireAtMs }: RdbKey, shiftMs: number): Command[] {
  const value = decodeValue(type, payload);
  const commands: Command[] = [];
  const expiring: Command[] = [];
  let fields: Buffer[] = [];
  const set = (): void => {
    if (fields.length > 0) commands.push(['HSET', key, ...fields]);
    fields = [];
  };
  if (value.type !== 'hash') return [];
  for (const { field, value: content, expireAtMs: goesAtMs } of value.fields) {
    fields.push(field, content);
    if (goesAtMs !== undefined)
      expiring.push(['HPEXPIREAT', key, String(moved(goesAtMs, shiftMs)), 'FIELDS', '1', field]);
    if (fields.length >= 2 * FIELDS_A_COMMAND) set();
  }
  set();
  const goes = moved(expireAtMs, shiftMs);
  return [...commands, ...expiring, ...(goes === undefined ? [] : [['PEXPIREAT', key, String(goes)]])];
}

/** Commands in as few writes as their size allows. */
class Queue {
  private commands: Command[] = [];
  private sizeBytes = 0;
  private readonly connection: Connection;
  private readonly signal: AbortSignal;

  constructor(connection: Connection, signal: AbortSignal) {
    this.connection = connection;
    this.signal = signal;
  }

  async add(command: Command): Promise<void> {
    this.commands.push(command);
    for (const part of command) this.sizeBytes += part.length;
    if (this.commands.length >= COMMANDS_A_WRITE || this.sizeBytes >= BYTES_A_WRITE) await this.flush();
  }

  async flush(): Promise<void> {
    const { commands } = this;
    this.commands = [];
    this.sizeBytes = 0;
    if (commands.length === 0) return;
    const replies = await this.connection.pipeline(commands, { signal: this.signal, timeoutMs: RESTORE_MS });
    for (const [index, reply] of replies.entries())
      if (reply instanceof ReplyError) throw loadProblem(commands[index]!, reply);
  }
}

function loadProblem(command: Command, error: ReplyError): StasisError {
  if (error.code === 'BUSYKEY')
    return new StasisError(
      'redis.key-exists',
      'A key of the capture is on the target already: somebody else writes to it.',
      {
        hint: 'Keep the application off the target until the restore is done.',
        at: ['url'],
        cause: error,
      },
    );
  if (/DUMP payload version|Bad data format/i.test(error.message))
    return new StasisError('redis.target-older', 'The target does not understand a value of the capture.', {
      hint: 'Restore into a server that is at least as new as the source.',
      at: ['url'],
      cause: error,
    });
  return replyProblem(command, error);
}
