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
import { identifier, literal, text } from './connect/sql.ts';
import { parseContent } from './content.ts';
import { askSession } from './probe.ts';
import { namesOfDestinations } from './restore/target.ts';
import type { MariadbSpec } from './spec.ts';

/** Of what runs, each answer of its own moment. */
export async function ask(
  spec: MariadbSpec,
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
    answer: async (question, options) => {
      const database = nameOf(question);
      const { signal } = options;
      await using session = await Connection.open(place, { signal, purpose: 'rows' });
      await session.run('START TRANSACTION READ ONLY', signal);
      return await askSession(session, database, question, options);
    },
    open: async (first, signal) => Asking.open(place, nameOf(first), signal),
  };
}

/** Pages that were needed from the buffer pool, and those of them that had to be read: of the whole server. */
const POOL = `SHOW GLOBAL STATUS WHERE Variable_name IN ('Innodb_buffer_pool_read_requests', 'Innodb_buffer_pool_reads')`;

class Asking implements AskingSession {
  private readonly session: Connection;

  private constructor(session: Connection) {
    this.session = session;
  }

  static async open(place: Place, database: string, signal: AbortSignal): Promise<Asking> {
    const session = await Connection.open(place, { signal, purpose: 'rows' });
    try {
      await session.run(`USE ${identifier(database)}; SET NAMES utf8mb4`, signal);
      return new Asking(session);
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  /** Each in a transaction of its own, and prepared, so that it is one statement. */
  async ready({ words: [sql = ''] }: Question, { signal, timeoutMs }: AskOptions): Promise<void> {
    await this.session.run(
      `ROLLBACK; SET SESSION ${this.session.product.patience(timeoutMs)}; START TRANSACTION READ ONLY;
        PREPARE stasis_sample FROM ${literal(sql)}`,
      signal,
    );
  }

  async ask(_question: Question, { signal }: AskOptions): Promise<void> {
    for await (const _ of this.session.stream('EXECUTE stasis_sample', 'a query of the user', signal));
  }

  async idle({ signal }: AskOptions): Promise<void> {
    for await (const _ of this.session.stream('SELECT 1', 'a query of ours', signal));
  }

  async hits(signal: AbortSignal): Promise<CacheHits> {
    const rows = await this.session.rows(POOL, signal);
    const numbers = new Map(rows.map((row) => [text(row, 'Variable_name'), Number(text(row, 'Value'))]));
    const asked = numbers.get('Innodb_buffer_pool_read_requests') ?? 0;
    return { asked, found: asked - (numbers.get('Innodb_buffer_pool_reads') ?? 0) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.session.close();
  }
}
