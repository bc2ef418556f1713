import { hashedAgain } from '../../../core/blobs.ts';
import type { ReadableState } from '../../../core/compare-states.ts';
import type { Held } from '../../../core/driver.ts';
import type { Fingerprint } from '../../../core/fingerprint.ts';
import type { Warmth } from '../../../core/warmth.ts';
import {
  copyIn,
  listSequences,
  listTables,
  type SequencePosition,
  type Table,
  tableName,
} from '../capture/tables.ts';
import { PsqlSession } from '../connect/psql-session.ts';
import { identifier, type Rows, text } from '../connect/sql.ts';
import { fingerprintOf } from '../fingerprint/fingerprint.ts';
import { schemaEntries } from '../fingerprint/schema.ts';
import { liveItems } from '../rows/live-rows.ts';
import { readStoredHot } from '../warmth/hot.ts';
import { warmDatabases } from '../warmth/warm.ts';
import { type LoadInto, scriptOf, withoutTransactions } from './archive.ts';
import { meaningStatements, positionStatements, sharedStatements } from './load.ts';
import { statementsForRoles } from './make-roles.ts';
import type { Restoring } from './start.ts';

/**
 * Where the login may not create databases: loads into an empty one, in one transaction of one session. Nobody sees
 * any of it before the commit, which is the release; and if we die before, the server takes it all back by itself, so
 * there is nothing to undo.
 */
export async function restoreInside(restoring: Restoring): Promise<Held> {
  const { clients, host, place, context, target } = restoring;
  const database = target.destinations[0]!.name;
  const { signal } = context;
  const session = await PsqlSession.open(clients, host, place, { database, signal });
  const held = new InsideHeld(restoring, session, database);
  try {
    await held.load();
    return held;
  } catch (error) {
    await session.abort();
    throw error;
  }
}

class InsideHeld implements Held {
  private readonly restoring: Restoring;
  private readonly session: PsqlSession;
  private readonly database: string;

  constructor(restoring: Restoring, session: PsqlSession, database: string) {
    this.restoring = restoring;
    this.session = session;
    this.database = database;
  }

  async load(): Promise<void> {
    const { restoring, session, database } = this;
    const { clients, host, place, target, context, blobs, options } = restoring;
    const captured = restoring.content.databases[0]!;
    const index = restoring.indexes[0]!;
    const into: LoadInto = {
      ...{ clients, host, place, database },
      ...{ serverMajor: target.server.major, signal: context.signal },
    };
    const step = (message: string): void => context.progress({ step: 'load', message });
    const archive = (section: string): AsyncIterable<Uint8Array> =>
      scriptOf(into, [`--section=${section}`], hashedAgain(blobs, captured.schema.digest));
    await session.run('BEGIN');
    await this.makeRoles();
    step('definitions');
    await session.script(archive('pre-data'), 'loading definitions');
    step('rows');
    for (const table of index.tables)
      await session.load(copyIn(table), blobs.get(table.rows.digest), `loading ${table.label}`);
    if (captured.largeObjects) {
      const objects = scriptOf(into, ['--data-only'], hashedAgain(blobs, captured.largeObjects.digest));
      await session.script(withoutTransactions(objects), 'loading large objects');
    }
    step('indexes and constraints');
    await session.script(archive('post-data'), 'loading indexes and constraints');
    for (const statement of positionStatements(index)) await session.run(statement, 'placing sequences');
    const shared = sharedStatements(database, index, options.restoreId);
    await this.tryAll(shared.statements);
    await this.tryAll(await meaningStatements(database, index, (sql) => session.rows(sql)));
    const [setting, comment] = shared.remember;
    if ((await this.tryAll([setting])) > 0) await this.tryAll([comment]);
    await this.tryAll([shared.owner]);
    await session.run('ANALYZE');
  }

  private async makeRoles(): Promise<void> {
    const { roles, target, content } = this.restoring;
    const made = statementsForRoles(roles, target.roles, target.server);
    for (const statement of made.statements) await this.session.run(statement, 'making roles');
    await this.tryAll(made.optional);
    if (target.server.superuser) return;
    const owners = content.owners.filter((owner) => owner !== target.server.login);
    await this.tryAll(owners.map((role) => `GRANT ${identifier(role)} TO CURRENT_USER`));
  }

  /** Within the one transaction; what the login may not do is left to the verdict, which names it. Returns how many were refused. */
  private async tryAll(statements: readonly string[]): Promise<number> {
    let refused = 0;
    for (const statement of statements) {
      await this.session.run('SAVEPOINT attempt');
      const state = await this.session.tryTo(statement);
      await this.session.run(
        state === '00000' ? 'RELEASE SAVEPOINT attempt' : 'ROLLBACK TO SAVEPOINT attempt',
      );
      if (state === '00000') continue;
      refused += 1;
      this.restoring.context.logger.log('warn', 'a statement of the restore was refused', { state });
    }
    return refused;
  }

  /** By the session that loaded, as nobody else sees it yet. */
  async *fingerprint(): Fingerprint {
    yield* this.entries(await listTables((sql) => this.session.rows(sql)));
  }

  async readable(): Promise<ReadableState & AsyncDisposable> {
    const { session, restoring } = this;
    const tables = await listTables((sql) => session.rows(sql));
    const find = (label: string): { table: Table; session: PsqlSession } | undefined => {
      const table = tables.find((one) => one.label === label && !one.partitioned);
      return table && { table, session };
    };
    return {
      fingerprint: () => this.entries(tables),
      itemsOf: liveItems([{ prefix: restoring.content.databases[0]!.prefix, find }]),
      [Symbol.asyncDispose]: async () => {},
    };
  }

  private async *entries(tables: readonly Table[]): Fingerprint {
    const { session, restoring, database } = this;
    const rows: Rows = (sql) => session.rows(sql);
    const part = {
      ...{ name: database, prefix: restoring.content.databases[0]!.prefix, rows, session },
      definitions: await schemaEntries(rows, restoring.target.server.major),
      sequences: await positions(rows),
      eachShare: (work: (session: PsqlSession, all: readonly Table[]) => Promise<void>) =>
        work(session, tables),
    };
    yield* fingerprintOf([part], restoring.content.roleNames);
  }

  /** By the session that loaded, as nobody else may read it yet; its one transaction goes on, whatever becomes of this. */
  async warm(): Promise<Warmth> {
    const { session, restoring } = this;
    const rows: Rows = (sql) => session.rows(sql);
    const hot = await readStoredHot(restoring.blobs, restoring.content.databases[0]!);
    return warmDatabases([hot], rows, async (_index, work) => {
      await session.run('SAVEPOINT warming');
      try {
        return await work({ rows, attempt: async (statement) => (await this.tryAll([statement])) === 0 });
      } finally {
        await session.run('ROLLBACK TO SAVEPOINT warming');
      }
    });
  }

  async release(): Promise<void> {
    await this.session.run('COMMIT', 'the release');
    await this.session.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.session.abort();
  }
}

async function positions(rows: Rows): Promise<SequencePosition[]> {
  const found: SequencePosition[] = [];
  for (const { schema, name, label } of await listSequences(rows)) {
    const [row] = await rows(
      `SELECT last_value::text AS last, is_called AS called FROM ${tableName({ schema, name })}`,
    );
    found.push({ schema, name, label, lastValue: text(row!, 'last'), isCalled: row!.called === true });
  }
  return found;
}
