import type { ReadableState } from '../../../core/compare-states.ts';
import type { Held } from '../../../core/driver.ts';
import { throwIfAborted } from '../../../core/errors.ts';
import type { Fingerprint } from '../../../core/fingerprint.ts';
import { type Answers, databaseOf } from '../../../core/probe.ts';
import type { Warmth } from '../../../core/warmth.ts';
import { answersOf } from '../ask.ts';
import { CaptureSession } from '../capture/session.ts';
import { Connection } from '../connect/connection.ts';
import { HostFolder } from '../connect/host-folder.ts';
import { identifier, literal, type Rows } from '../connect/sql.ts';
import type { CapturedDatabase } from '../content.ts';
import { jobsOf } from '../spec.ts';
import { readStoredHot } from '../warmth/hot.ts';
import { warmDatabases } from '../warmth/warm.ts';
import type { JournalEntry } from './journal-entry.ts';
import { type ExtensionVersion, loadDatabase, meaningStatements, sharedStatements } from './load.ts';
import { statementsForRoles } from './make-roles.ts';
import type { Restoring } from './start.ts';
import { swapIn } from './swap.ts';
import { openAdmin, stagingNames } from './target.ts';
import { undoEntry } from './undo.ts';

const CREATE_MS = 300_000;

/** Loads every database under a name of ours; `release` renames them into place, all in one transaction. */
export async function restoreBeside(restoring: Restoring): Promise<Held> {
  const { target, place, context } = restoring;
  const admin = await openAdmin(
    place,
    target.destinations.map(({ name }) => name),
    context.signal,
  );
  const held = new BesideHeld(restoring, admin);
  try {
    await held.load();
    return held;
  } catch (error) {
    await held[Symbol.asyncDispose]();
    throw error;
  }
}

class BesideHeld implements Held {
  private readonly restoring: Restoring;
  private readonly admin: Connection;
  private entry: JournalEntry | undefined;
  private released = false;

  constructor(restoring: Restoring, admin: Connection) {
    this.restoring = restoring;
    this.admin = admin;
  }

  async load(): Promise<void> {
    const { restoring, admin } = this;
    const { target, content, host, context, options } = restoring;
    const roles = statementsForRoles(restoring.roles, target.roles, target.server);
    await using folder = await HostFolder.make(host, context.signal);
    const entry: JournalEntry = {
      restoreId: options.restoreId,
      databases: target.destinations.map(({ name }, index) => ({
        target: name,
        ...stagingNames(options.restoreId, index),
      })),
      roles: [...roles.created],
      granted: await this.rolesToJoin(roles.created),
      folder: folder.path,
    };
    await options.journal(entry);
    this.entry = entry;
    for (const statement of roles.statements) await admin.rows(statement, context.signal);
    await this.tryAll(roles.optional);
    for (const role of entry.granted) await this.tryAll([`GRANT ${identifier(role)} TO CURRENT_USER`]);
    for (const [index, captured] of content.databases.entries())
      await this.loadOne(captured, index, entry.databases[index]!.staging, folder);
  }

  private async loadOne(
    captured: CapturedDatabase,
    index: number,
    staging: string,
    folder: HostFolder,
  ): Promise<void> {
    const { restoring, admin } = this;
    const { signal } = restoring.context;
    await admin.rows(`DROP DATABASE IF EXISTS ${identifier(staging)} WITH (FORCE)`, signal, CREATE_MS);
    await admin.rows(createDatabase(staging, captured, restoring.target.server.major), signal, CREATE_MS);
    const into = {
      ...{ clients: restoring.clients, host: restoring.host, place: restoring.place, database: staging },
      ...{ serverMajor: restoring.target.server.major, signal },
    };
    const extensions = extensionsToMake(captured, restoring.target.extensions);
    const options = { jobs: jobsOf(restoring.spec), extensions, context: restoring.context };
    await loadDatabase(into, captured, restoring.indexes[index]!, restoring.blobs, folder, options);
    const shared = sharedStatements(staging, restoring.indexes[index]!, restoring.options.restoreId);
    await this.tryAll(shared.statements);
    await this.tryAll(await this.meaning(staging, index));
    const [setting, comment] = shared.remember;
    if ((await this.tryAll([setting])) > 0) await this.tryAll([comment]);
    await this.tryAll([shared.owner]);
  }

  /** Asked in the database itself: a session begins with the settings of its own. */
  private async meaning(staging: string, index: number): Promise<string[]> {
    const { restoring } = this;
    const { signal } = restoring.context;
    await using session = await Connection.open(restoring.place, { database: staging, signal });
    return await meaningStatements(staging, restoring.indexes[index]!, (sql) => session.rows(sql, signal));
  }

  /** Owners that the login cannot yet give objects to. A superuser can. */
  private async rolesToJoin(created: readonly string[]): Promise<string[]> {
    const { target, content, context } = this.restoring;
    if (target.server.superuser) return [];
    const rows: Rows = (sql) => this.admin.rows(sql, context.signal);
    const owners = content.owners.filter((owner) => owner !== target.server.login);
    const known = owners.filter((owner) => !created.includes(owner)).map(literal);
    const joined =
      known.length === 0
        ? []
        : await rows(`SELECT rolname::text AS name FROM pg_catalog.pg_roles
            WHERE rolname IN (${known.join(', ')}) AND pg_catalog.pg_has_role(oid, 'MEMBER')`);
    return owners.filter((owner) => !joined.some(({ name }) => name === owner));
  }

  /** What the login may not do is left to the verdict, which names it. Returns how many were refused. */
  private async tryAll(statements: readonly string[]): Promise<number> {
    const { signal, logger } = this.restoring.context;
    let refused = 0;
    for (const statement of statements)
      await this.admin.rows(statement, signal).catch((error: unknown) => {
        throwIfAborted(signal);
        const reason = error instanceof Error ? error.message : String(error);
        logger.log('warn', 'a statement of the restore was refused', { reason });
        refused += 1;
      });
    return refused;
  }

  /** Of the databases under the names that they were captured by; nobody else uses them yet. */
  get answers(): Answers {
    const { content, place } = this.restoring;
    return answersOf(place, (question) => {
      const { name } = databaseOf(content.databases, question);
      const index = content.databases.findIndex((captured) => captured.name === name);
      return this.entry!.databases[index]!.staging;
    });
  }

  async *fingerprint(): Fingerprint {
    await using session = await this.read();
    yield* session.fingerprint();
  }

  async readable(): Promise<ReadableState & AsyncDisposable> {
    await using opening = new AsyncDisposableStack();
    const session = opening.use(await this.read());
    const { fingerprint, itemsOf } = await session.readable();
    const reading = opening.move();
    return { fingerprint, itemsOf, [Symbol.asyncDispose]: () => reading.disposeAsync() };
  }

  private async read(): Promise<CaptureSession> {
    const { spec, place, host, context, content } = this.restoring;
    const { databases } = this.entry!;
    const at = { ...place, database: databases[0]!.staging };
    await using opening = new AsyncDisposableStack();
    const session = opening.use(
      await CaptureSession.start(spec, at, host, context, false, (all) =>
        databases.map(({ staging }, index) => ({
          database: all.find(({ name }) => name === staging)!,
          prefix: content.databases[index]!.prefix,
        })),
      ),
    );
    session.roles = content.roleNames;
    await session.mark.take(context.signal);
    opening.move();
    return session;
  }

  /** Before anybody else uses them; what warms makes nothing that stays. */
  async warm(): Promise<Warmth> {
    const { restoring, admin } = this;
    const { content, blobs, place, context } = restoring;
    const { signal } = context;
    const hots = await Promise.all(content.databases.map((captured) => readStoredHot(blobs, captured)));
    const server: Rows = (sql) => admin.rows(sql, signal);
    return warmDatabases(hots, server, async (index, work) => {
      const database = this.entry!.databases[index]!.staging;
      await using session = await Connection.open(place, { database, signal });
      const rows: Rows = (sql) => session.rows(sql, signal);
      await rows('BEGIN');
      const done = await work({ rows, attempt: (statement) => attempt(rows, statement) });
      await rows('ROLLBACK');
      return done;
    });
  }

  async release(): Promise<void> {
    if (this.released) return;
    const { place, target, context } = this.restoring;
    await swapIn(this.admin, place, this.entry!.databases, target, context);
    this.released = true;
    await this.tryAll(this.entry!.granted.map((role) => `REVOKE ${identifier(role)} FROM CURRENT_USER`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.admin.close();
    const { entry } = this;
    this.entry = undefined;
    if (entry === undefined || this.released) return;
    const { place, host, context } = this.restoring;
    await undoEntry(place, host, entry, context.logger);
  }
}

async function attempt(rows: Rows, statement: string): Promise<boolean> {
  await rows('SAVEPOINT attempt');
  try {
    await rows(statement);
    await rows('RELEASE SAVEPOINT attempt');
    return true;
  } catch {
    // A session that has ended says so here.
    await rows('ROLLBACK TO SAVEPOINT attempt');
    return false;
  }
}

function extensionsToMake(
  captured: CapturedDatabase,
  available: ReadonlyMap<string, readonly string[]>,
): readonly ExtensionVersion[] {
  const differs = captured.extensions.some(({ name, version }) => {
    const versions = available.get(name) ?? [];
    return versions[0] !== version && versions.includes(version);
  });
  if (!differs) return [];
  return captured.extensions.map(({ name, schema, version }) => ({
    ...{ name, schema },
    version: available.get(name)?.includes(version) ? version : undefined,
  }));
}

/** Like the source's, whatever the target's defaults. Providers came with 15, ICU's rules with 16, the built-in with 17. */
function createDatabase(name: string, captured: CapturedDatabase, major: number): string {
  const { encoding, collate, ctype, provider, locale, icuRules } = captured;
  const parts = [
    `CREATE DATABASE ${identifier(name)} TEMPLATE template0 ENCODING ${literal(encoding)}`,
    `LC_COLLATE ${literal(collate)} LC_CTYPE ${literal(ctype)}`,
  ];
  if (major >= 15) parts.push(`LOCALE_PROVIDER ${provider}`);
  if (provider === 'icu' && locale !== undefined) parts.push(`ICU_LOCALE ${literal(locale)}`);
  if (provider === 'icu' && icuRules !== undefined && major >= 16)
    parts.push(`ICU_RULES ${literal(icuRules)}`);
  if (provider === 'builtin' && locale !== undefined) parts.push(`BUILTIN_LOCALE ${literal(locale)}`);
  return parts.join(' ');
}
