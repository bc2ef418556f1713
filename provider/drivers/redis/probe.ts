import { textOfBytes } from '../../core/answer.ts';
import { StasisError } from '../../core/errors.ts';
import type { Answer, Answers, AskingSession, AskOptions, Question, Questions } from '../../core/probe.ts';
import { type Command, Connection, list, type Reply } from './connection.ts';
import { LOADING_KEY, RESTORE_KEY } from './fingerprint-key.ts';
import { numberOf, parseInfo } from './info.ts';
import type { RedisSpec } from './spec.ts';

/**
 * Commands that only read, answer in time that their arguments bound, and answer the same of the same state. So
 * neither KEYS, SCAN nor RANDOMKEY; nor PFCOUNT, which writes what it has counted; nor scripts. That the server flags each
 * `readonly` is tested.
 */
export const READING_COMMANDS =
  `BITCOUNT BITFIELD_RO BITPOS DBSIZE EXISTS EXPIRETIME GEODIST GEOHASH GEOPOS GEOSEARCH
  GET GETBIT GETRANGE HEXISTS HGET HGETALL HKEYS HLEN HMGET HSTRLEN HVALS LINDEX LLEN LPOS LRANGE MGET PEXPIRETIME PTTL
  SCARD SDIFF SINTER SINTERCARD SISMEMBER SMEMBERS SMISMEMBER SORT_RO STRLEN SUNION TTL TYPE XLEN XPENDING XRANGE
  XREVRANGE ZCARD ZCOUNT ZDIFF ZINTER ZINTERCARD ZLEXCOUNT ZMSCORE ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANK ZREVRANGE
  ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCORE ZUNION`.split(/\s+/);

export const questions: Questions = {
  kinds: ['redis'],
  problem({ words: [name = ''], database }) {
    if (!READING_COMMANDS.includes(name.toUpperCase()))
      return new StasisError('probe.no-reading', `"${name}" is none of the commands that a probe can ask.`, {
        hint: `It can be ${READING_COMMANDS.slice(0, 6).join(', ')} and others that only read a key; the docs list them.`,
        at: ['redis'],
      });
    if (database === undefined || /^\d{1,9}$/.test(database)) return undefined;
    return new StasisError('probe.no-database', 'A database of Redis is a number.', { at: ['database'] });
  },
};

/**
 * Asks on a connection of its own, so that a question which takes too long ends no other. `placeOf` says under which
 * number a database is found now.
 */
export class RedisAnswers implements Answers, AsyncDisposable {
  private readonly spec: RedisSpec;
  private readonly placeOf: (db: number) => number | undefined;
  private connection: Connection | undefined;

  constructor(spec: RedisSpec, placeOf: (db: number) => number | undefined = (db) => db) {
    this.spec = spec;
    this.placeOf = placeOf;
  }

  async prepare(signal: AbortSignal): Promise<void> {
    await this.connect(signal);
  }

  async answer(question: Question, { signal, timeoutMs }: AskOptions): Promise<Answer> {
    insistOnReading(question);
    const connection = await this.connect(signal);
    const db = this.databaseOf(question);
    await connection.call(['SELECT', String(db)], { signal, timeoutMs });
    const reply = await connection.call(question.words as Command, { signal, timeoutMs });
    if (question.words[0]!.toUpperCase() !== 'DBSIZE') return { rows: rowsOf(reply) };
    const own = await connection.call(['EXISTS', RESTORE_KEY, LOADING_KEY], { signal, timeoutMs });
    return { rows: [[String(Number(reply) - Number(own))]] };
  }

  async open(first: Question, signal: AbortSignal): Promise<AskingSession> {
    const connection = await openQuietly(this.spec, signal);
    try {
      await connection.call(['SELECT', String(this.databaseOf(first))], { signal });
    } catch (error) {
      await connection[Symbol.asyncDispose]();
      throw error;
    }
    return {
      async ask(question, options) {
        insistOnReading(question);
        await connection.call(question.words as Command, options);
      },
      async idle(options) {
        await connection.call(['PING'], options);
      },
      /** Keys that were there, of those that anybody has looked for. */
      async hits(own) {
        const info = parseInfo(await connection.call(['INFO', 'stats'], { signal: own }));
        const found = numberOf(info, 'keyspace_hits');
        return { asked: found + numberOf(info, 'keyspace_misses'), found };
      },
      [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
    };
  }

  private async connect(signal: AbortSignal): Promise<Connection> {
    if (!this.connection?.open) this.connection = await openQuietly(this.spec, signal);
    return this.connection;
  }

  private databaseOf({ database }: Question): number {
    const db = this.placeOf(Number(database ?? 0));
    if (db !== undefined) return db;
    throw new StasisError(
      'probe.no-database',
      'No database of the target is free to answer for an empty one.',
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection?.[Symbol.asyncDispose]();
  }
}

/** Of a server as it is, each answer by a connection of its own. */
export function answersOf(spec: RedisSpec): Answers {
  return {
    async answer(question, options) {
      await using answers = new RedisAnswers(spec);
      return await answers.answer(question, options);
    },
    open: (first, signal) => new RedisAnswers(spec).open(first, signal),
  };
}

function insistOnReading(question: Question): void {
  const refused = questions.problem!(question);
  if (refused !== undefined) throw refused;
}

async function openQuietly(spec: RedisSpec, signal: AbortSignal): Promise<Connection> {
  const connection = await Connection.open(spec, signal);
  await connection.attempt(['CLIENT', 'SETNAME', 'stasis-probe'], { signal });
  // To be asked about is no use of a key. Servers before 7.2 cannot tell.
  await connection.attempt(['CLIENT', 'NO-TOUCH', 'ON'], { signal });
  return connection;
}

/** A list is one row an element, and a list in it one column an element; what lies deeper is written as JSON. */
function rowsOf(reply: Reply): Answer['rows'] {
  if (!Array.isArray(reply)) return [[cellOf(reply)]];
  return list(reply).map((element) =>
    Array.isArray(element) ? list(element).map(cellOf) : [cellOf(element)],
  );
}

function cellOf(reply: Reply): string | null {
  if (reply === null) return null;
  if (reply instanceof Buffer) return textOfBytes(reply);
  return Array.isArray(reply) ? JSON.stringify(list(reply).map(cellOf)) : String(reply);
}
