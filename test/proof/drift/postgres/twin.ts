import { sleep } from '../../../../provider/core/wait.ts';
import type { PostgresServer } from '../../../support/postgres-server.ts';
import type { Drift, Twin } from '../drift.ts';

/** A database that was restored on another server than the original's. */
export interface PostgresTwin extends Twin {
  readonly server: PostgresServer;
  readonly database: string;
  query(sql: string): Promise<unknown>;
}

/** A change by SQL in the restored database, in which `TWIN` stands for its name. */
export function bySql(
  name: string,
  sql: string,
  objects: readonly string[],
  more: Pick<Drift, 'unseen' | 'harmless' | 'rows'> & { readonly undo?: string } = {},
): Drift<PostgresTwin> {
  const { undo, ...rest } = more;
  return {
    ...{ name, objects, ...rest },
    change: async (twin) => {
      await twin.query(sql);
    },
    ...(undo === undefined
      ? {}
      : {
          undo: async (twin: PostgresTwin) => {
            await twin.query(undo);
          },
        }),
  };
}

const RELOAD_MS = 10_000;

/** A change of the server's own configuration, taken back afterwards. */
export function byServer(
  name: string,
  setting: string,
  value: string,
  objects: readonly string[],
  more: Pick<Drift, 'unseen' | 'harmless'> = {},
): Drift<PostgresTwin> {
  const apply = async (
    { server }: PostgresTwin,
    sql: string,
    done: (shown: string) => boolean,
  ): Promise<void> => {
    await server.query(sql);
    await server.query('SELECT pg_reload_conf()');
    // The postmaster reads its file some time later; only sessions that begin after that have it.
    for (const untilMs = Date.now() + RELOAD_MS; ; await sleep(20)) {
      const [row] = await server.query(`SHOW ${setting}`);
      if (done(String(Object.values(row ?? {})[0]))) return;
      if (Date.now() > untilMs) throw new Error(`${setting} did not change`);
    }
  };
  return {
    ...{ name, objects, ...more },
    change: (twin) => apply(twin, `ALTER SYSTEM SET ${setting} = '${value}'`, (shown) => shown === value),
    undo: (twin) => apply(twin, `ALTER SYSTEM RESET ${setting}`, (shown) => shown !== value),
  };
}
