import type { Context } from '../../core/context.ts';
import type { Host } from '../../core/host.ts';
import type { MemberCapture } from '../../core/manifest.ts';
import {
  type Answers,
  type AskingSession,
  type AskOptions,
  calledDatabases,
  databaseOf,
  type Question,
} from '../../core/probe.ts';
import type { CacheHits } from '../../core/sample.ts';
import { Connection } from './connect/connection.ts';
import { listDatabases, selectionOf } from './connect/databases.ts';
import { type Place, parsePlace } from './connect/place.ts';
import { text } from './connect/sql.ts';
import { parseContent } from './content.ts';
import { askDatabase, statementOf } from './probe.ts';
import { namesOfDestinations } from './restore/target.ts';
import type { PostgresSpec } from './spec.ts';

/** Of what runs, each answer of its own moment. */
export async function ask(
  spec: PostgresSpec,
  at: Host,
  { signal }: Context,
  from?: MemberCapture,
): Promise<Answers> {
  const place = parsePlace(spec.url, at);
  const content = from && parseContent(from);
  const databases = await calledDatabases(
    content && {
      names: content.databases.map(({ name }) => name),
      now: namesOfDestinations(spec, place, content),
    },
    selectionOf(spec, place),
    async () => {
      await using connection = await Connection.open(place, { signal });
      return await listDatabases(connection, signal);
    },
  );
  return answersOf(place, (question) => databaseOf(databases, question).now);
}

/** @param nameOf what the database is called now that a question is for */
export function answersOf(place: Place, nameOf: (question: Question) => string): Answers {
  return {
    answer: async (question, options) => askDatabase(place, nameOf(question), undefined, question, options),
    open: async (first, signal) => Asking.open(place, nameOf(first), signal),
  };
}

/**
 * What relations of users in this database have needed from this session, and what of it lay in the buffers: counts that a
 * session keeps for itself until it is idle outside of a transaction, and hands on then. So it never is.
 */
const HITS = `SELECT coalesce(sum(pg_catalog.pg_stat_get_xact_blocks_fetched(c.oid)), 0)::text AS asked,
    coalesce(sum(pg_catalog.pg_stat_get_xact_blocks_hit(c.oid)), 0)::text AS found
  FROM pg_catalog.pg_class c WHERE c.oid >= 16384`;

class Asking implements AskingSession {
  private readonly connection: Connection;

  private constructor(connection: Connection) {
    this.connection = connection;
  }

  static async open(place: Place, database: string, signal: AbortSignal): Promise<Asking> {
    const asking = new Asking(await Connection.open(place, { database, signal }));
    try {
      await asking.connection.rows('RESET search_path', signal);
      return asking;
    } catch (error) {
      await asking.connection.close();
      throw error;
    }
  }

  /** Each in a transaction of its own: no lock outlives a question by more than a moment. */
  async ready(_question: Question, { signal, timeoutMs }: AskOptions): Promise<void> {
    await this.connection.rows(
      `ROLLBACK; BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SET LOCAL statement_timeout = ${timeoutMs}`,
      signal,
    );
  }

  ask(question: Question, { signal, timeoutMs }: AskOptions): Promise<void> {
    return this.connection.readThrough(statementOf(question), signal, timeoutMs);
  }

  idle({ signal, timeoutMs }: AskOptions): Promise<void> {
    return this.connection.readThrough('SELECT 1', signal, timeoutMs);
  }

  async hits(signal: AbortSignal): Promise<CacheHits> {
    const row = await this.connection.row(HITS, signal);
    return { asked: Number(text(row, 'asked')), found: Number(text(row, 'found')) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.connection.close();
  }
}
