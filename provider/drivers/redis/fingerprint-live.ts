import type { Context } from '../../core/context.ts';
import type { Fingerprint } from '../../core/fingerprint.ts';
import { aclUsers } from './acl.ts';
import { bytes, Connection, list, ReplyError } from './connection.ts';
import { addLibrary, addUser } from './fingerprint-capture.ts';
import { FingerprintTable } from './fingerprint-table.ts';
import { factsOf, readInfo } from './info.ts';
import { readLibraries, readOccupancy } from './layout.ts';
import { type LiveDatabase, readDatabase } from './live.ts';
import { readServerSettings, type ServerSetting, settingEntries } from './server-settings.ts';
import type { RedisSpec } from './spec.ts';

/** What of a server is looked at. */
export interface LiveView {
  readonly databases: readonly LiveDatabase[];
  /** Only these ACL users; all but `default` when absent. */
  readonly users?: readonly string[];
  /** Libraries that will be gone. */
  readonly withoutLibraries: readonly string[];
  readonly shiftMs: number;
}

/** The fingerprint of a running server, by ordinary commands on a connection of its own. */
export async function* fingerprintOfServer(spec: RedisSpec, context: Context, view?: LiveView): Fingerprint {
  const { signal } = context;
  const table = new FingerprintTable();
  let settings: readonly ServerSetting[];
  {
    await using connection = await Connection.open(spec, signal);
    // Being compared is no use of a key. Servers before 7.2 cannot tell.
    await connection.attempt(['CLIENT', 'NO-TOUCH', 'ON'], { signal });
    const info = await readInfo(connection, signal);
    const facts = factsOf(info);
    settings = await readServerSettings(connection, signal, info);
    const { databases, users, withoutLibraries, shiftMs } =
      view ?? (await wholeView(connection, spec, context));
    for (const [name, code] of await readLibraries(connection, signal))
      if (!withoutLibraries.includes(name)) addLibrary(table, name, code);
    if (users === undefined || users.length > 0)
      for (const { name, rights } of await liveUsers(connection, signal))
        if (users?.includes(name) ?? true) addUser(table, name, rights);
    for (const database of databases)
      await readDatabase(connection, database, table, { facts, shiftMs, context });
  }
  yield* table.entries();
  yield* settingEntries(settings);
}

/** Everything; of a target that a restore has filled, as that restore left it. */
async function wholeView(connection: Connection, spec: RedisSpec, { signal }: Context): Promise<LiveView> {
  const facts = factsOf(await readInfo(connection, signal));
  const { note, marked } = await readOccupancy(connection, facts, signal);
  return {
    databases: [...facts.keys.keys()].filter((db) => !marked.has(db)).map((db) => ({ db, as: db })),
    users: spec.acl === false ? [] : note?.users,
    withoutLibraries: [],
    shiftMs: note?.shiftMs ?? 0,
  };
}

async function liveUsers(connection: Connection, signal: AbortSignal): Promise<ReturnType<typeof aclUsers>> {
  const reply = await connection.attempt(['ACL', 'LIST'], { signal });
  return reply instanceof ReplyError
    ? []
    : aclUsers(list(reply).map((line) => bytes(line).toString('latin1')));
}
