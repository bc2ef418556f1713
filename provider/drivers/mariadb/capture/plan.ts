import type { Context } from '../../../core/context.ts';
import type { CapturePlan } from '../../../core/driver.ts';
import { StasisError, throwIfAborted, toStasisError } from '../../../core/errors.ts';
import type { Host } from '../../../core/host.ts';
import type { OutsideItem } from '../../../core/manifest.ts';
import { Connection } from '../connect/connection.ts';
import { prefixesOf, selectDatabases } from '../connect/databases.ts';
import { parsePlace } from '../connect/place.ts';
import { type ServerFacts, serverFacts } from '../connect/server.ts';
import type { Rows } from '../connect/sql.ts';
import { jobsOf, type MariadbSpec } from '../spec.ts';
import { databaseLosses, serverLosses } from './coverage.ts';
import { readDefinitions } from './definitions.ts';
import { MOST_LOCKED_BYTES } from './outsiders.ts';
import { engineProblems, epochProblems, namesOf, rightsProblems, serverProblems } from './problems.ts';
import { listTables, type Table, wayOf } from './tables.ts';

/** How fast rows are read while their tables are locked, roughly: what a pause is planned by. */
const LOCKED_BYTES_A_MS = 20_000;

/** Looks at everything that a capture needs, and changes nothing. All problems are told, not only the first. */
export async function planCapture(spec: MariadbSpec, at: Host, context: Context): Promise<CapturePlan> {
  const plan = new Findings();
  try {
    const { signal } = context;
    const place = parsePlace(spec.url, at);
    await using connection = await Connection.open(place, { signal });
    const rows: Rows = (sql) => connection.rows(sql, signal);
    const server = await serverFacts(connection, signal);
    plan.system = { product: server.product.name, version: server.version };
    plan.problems.push(...serverProblems(server));
    plan.problems.push(...epochProblems(server), ...connectionProblems(server, spec));
    const { selected, problems } = await selectDatabases(connection, spec, place, signal);
    const rights = rightsProblems(server, selected, spec);
    plan.problems.push(...problems, ...rights);
    const names = selected.map(({ name }) => name);
    const prefixes = prefixesOf(names, spec);
    for (const [index, { name, sizeBytes }] of selected.entries()) {
      plan.identities.push(`mariadb:${server.serverId}/${name}`);
      plan.sizeBytes += sizeBytes;
      if (rights.length > 0) continue;
      await plan.attempt(async () => void (await readDefinitions(rows, name)));
      plan.outside.push(...(await databaseLosses(rows, name, prefixes[index]!)));
    }
    if (names.length === 0) return plan;
    plan.lookAtEngines(
      server,
      (await listTables(rows, names)).filter((table) => wayOf(table) !== 'snapshot'),
    );
    plan.outside.push(...(await serverLosses(rows, server, names)));
  } catch (error) {
    plan.problems.push(placed(error));
  }
  throwIfAborted(context.signal);
  return plan;
}

class Findings implements CapturePlan {
  readonly problems: StasisError[] = [];
  readonly identities: string[] = [];
  readonly folders: string[] = [];
  sizeBytes = 0;
  pauseMs = 0;
  readonly outside: OutsideItem[] = [];
  system: Readonly<Record<string, string>> = {};

  async attempt(check: () => Promise<void>): Promise<void> {
    try {
      await check();
    } catch (error) {
      this.problems.push(placed(error));
    }
  }

  lookAtEngines(server: ServerFacts, outsiders: readonly Table[]): void {
    this.problems.push(...engineProblems(server, outsiders));
    if (outsiders.length === 0) return;
    const sizeBytes = outsiders.reduce((sum, table) => sum + table.sizeBytes, 0);
    this.pauseMs = 2 + Math.ceil(sizeBytes / LOCKED_BYTES_A_MS);
    if (sizeBytes > MOST_LOCKED_BYTES)
      this.problems.push(
        new StasisError(
          'mariadb.locked-too-large',
          `${namesOf(outsiders)} are too large to be read while they are locked.`,
          {
            hint: 'ALTER them to ENGINE=InnoDB.',
            at: ['url'],
          },
        ),
      );
  }
}

/** What the driver throws without a place concerns the URL. */
export function placed(thrown: unknown): StasisError {
  const error = toStasisError(thrown, 'mariadb.failed');
  return error.at.length > 0 || error.code === 'cancelled' ? error : error.within('url');
}

/** One for the epochs, one that keeps the tables, one that reads catalogs, one that locks, one that ends others, and the jobs. */
function connectionProblems(server: ServerFacts, spec: MariadbSpec): StasisError[] {
  const needed = 5 + jobsOf(spec);
  if (needed <= server.freeConnections) return [];
  return [
    new StasisError(
      'mariadb.connections',
      `A capture needs up to ${needed} connections; the server has ${server.freeConnections} free.`,
      { hint: 'Lower jobs, or raise max_connections of the server.', at: ['jobs'] },
    ),
  ];
}
