import { Connection } from '../connect/connection.ts';
import { type Database, prefixesOf, selectDatabases } from '../connect/databases.ts';
import type { Place } from '../connect/place.ts';
import { type ServerFacts, serverFacts } from '../connect/server.ts';
import { jobsOf, lockTimeoutOf, type MariadbSpec } from '../spec.ts';
import { Outsiders } from './outsiders.ts';
import { engineProblems, refuse, rightsProblems, serverProblems } from './problems.ts';
import { Snapshot } from './snapshot.ts';

/** A database of a capture. */
export interface Part {
  readonly database: Database;
  readonly name: string;
  readonly prefix: string;
}

/** What a capture works with. */
export interface Opened {
  readonly server: ServerFacts;
  readonly parts: readonly Part[];
  readonly epochs: Connection;
  readonly snapshot: Snapshot;
  /** Where there are tables that no snapshot covers. */
  readonly outsiders: Outsiders | undefined;
}

/** @throws StasisError as plan reports */
export async function openAll(
  place: Place,
  spec: MariadbSpec,
  stack: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<Opened> {
  const epochs = stack.use(await Connection.open(place, { signal }));
  const server = await serverFacts(epochs, signal);
  const { selected, problems } = await selectDatabases(epochs, spec, place, signal);
  refuse([...serverProblems(server), ...problems, ...rightsProblems(server, selected, spec)]);
  const names = selected.map(({ name }) => name);
  const prefixes = prefixesOf(names, spec);
  const parts = selected.map((database, index) => ({
    database,
    name: database.name,
    prefix: prefixes[index]!,
  }));
  const snapshot = stack.use(
    await Snapshot.open({
      ...{ place, databases: parts, signal, lockTimeoutMs: lockTimeoutOf(spec) },
      // Only epochs show that several snapshots are of one state.
      jobs: server.noEpoch === undefined ? jobsOf(spec) : 1,
    }),
  );
  refuse(engineProblems(server, snapshot.outsiders));
  const outsiders =
    snapshot.outsiders.length > 0 ? stack.use(await Outsiders.open(place, signal)) : undefined;
  return { server, parts, epochs, snapshot, outsiders };
}
