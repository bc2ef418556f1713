import { StasisError } from '../../core/errors.ts';
import { type Command, type Connection, list, named, ReplyError, text } from './connection.ts';
import { LOADING_KEY, RESTORE_KEY } from './fingerprint-key.ts';
import type { ServerFacts } from './info.ts';

/** More databases than this are not looked for; a server has 16 unless told otherwise. */
const DATABASES_PROBED = 256;

/** What a finished restore leaves in the target under RESTORE_KEY. */
export interface RestoreNote {
  readonly id: string;
  /** By how much expiry times were moved. */
  readonly shiftMs: number;
  /** The ACL users that are part of it. */
  readonly users: readonly string[];
}

/** What there is on a target. */
export interface Occupancy {
  readonly databases: number;
  /** Databases with keys that are not our own. */
  readonly occupied: readonly number[];
  /** Databases without any key at all. */
  readonly free: readonly number[];
  readonly libraries: ReadonlyMap<string, Buffer>;
  readonly note: RestoreNote | undefined;
  /** Databases that carry a restore's mark, with its id: being loaded, or left behind. */
  readonly marked: ReadonlyMap<number, string>;
}

export async function readOccupancy(
  connection: Connection,
  facts: ServerFacts,
  signal: AbortSignal,
): Promise<Occupancy> {
  const databases = await countDatabases(connection, signal);
  const occupied: number[] = [];
  const marked = new Map<number, string>();
  let note: RestoreNote | undefined;
  for (const [db, keys] of facts.keys) {
    const [, loading, restored] = await connection.pipeline(
      [
        ['SELECT', String(db)],
        ['GET', LOADING_KEY],
        ['GET', RESTORE_KEY],
      ],
      { signal },
    );
    if (db === 0) note = parseNote(restored instanceof ReplyError ? '' : text(restored));
    const own = restored instanceof Buffer ? 1 : 0;
    // What a restore loads, or has left behind, is nobody's data.
    if (loading instanceof Buffer) marked.set(db, loading.toString());
    else if (keys > own) occupied.push(db);
  }
  await connection.call(['SELECT', '0'], { signal });
  const free = [...Array(databases).keys()].filter((db) => !facts.keys.has(db));
  return { databases, occupied, free, libraries: await readLibraries(connection, signal), note, marked };
}

/** CONFIG is often refused; SELECT tells as well. */
async function countDatabases(connection: Connection, signal: AbortSignal): Promise<number> {
  const selects = Array.from({ length: DATABASES_PROBED }, (_, db): Command => ['SELECT', String(db)]);
  const replies = await connection.pipeline(selects, { signal });
  const refused = replies.findIndex((reply) => reply instanceof ReplyError);
  return refused < 0 ? DATABASES_PROBED : Math.max(1, refused);
}

/** Libraries of functions by name, with their code; none before Redis 7, or where they may not be read. */
export async function readLibraries(
  connection: Connection,
  signal: AbortSignal,
): Promise<Map<string, Buffer>> {
  const reply = await connection.attempt(['FUNCTION', 'LIST', 'WITHCODE'], { signal });
  const libraries = new Map<string, Buffer>();
  if (reply instanceof ReplyError) return libraries;
  for (const library of list(reply)) {
    const fields = named(library);
    const code = fields.get('library_code');
    if (code instanceof Buffer) libraries.set(text(fields.get('library_name')), code);
  }
  return libraries;
}

/** A note that is not ours is none. */
export function parseNote(json: string): RestoreNote | undefined {
  try {
    const { id, shiftMs, users } = JSON.parse(json) as Partial<RestoreNote>;
    if (typeof id !== 'string') return undefined;
    return { id, shiftMs: Number(shiftMs ?? 0), users: Array.isArray(users) ? users.map(String) : [] };
  } catch {
    return undefined;
  }
}

/**
 * Where a capture is loaded. Beside: into databases that are free, and swapped with the ones that it belongs in when
 * it is released, all in one transaction. In place, where there are not enough of them and nothing is in the way.
 */
export interface Layout {
  readonly beside: boolean;
  /** From a database of the capture to the one that it is loaded into. */
  readonly loadInto: ReadonlyMap<number, number>;
  /** Occupied databases that the capture has nothing for: emptied at the release. */
  readonly emptied: readonly number[];
}

/** @throws StasisError `redis.target-databases`, `redis.no-spare-database` */
export function chooseLayout(wanted: readonly number[], target: Occupancy, maySwap: boolean): Layout {
  const beyond = wanted.filter((db) => db >= target.databases);
  if (beyond.length > 0)
    throw new StasisError(
      'redis.target-databases',
      `The capture has database ${beyond.join(', ')}, and the target has only ${target.databases}.`,
      {
        hint: 'Set "databases" in the target\'s configuration, and restart it.',
        at: ['url'],
      },
    );
  const emptied = target.occupied.filter((db) => !wanted.includes(db));
  const spare = target.free.filter((db) => !wanted.includes(db)).toReversed();
  if (maySwap && spare.length >= wanted.length)
    return { beside: true, loadInto: new Map(wanted.map((db, index) => [db, spare[index]!])), emptied };
  if (target.occupied.length > 0)
    throw new StasisError(
      'redis.no-spare-database',
      maySwap
        ? `What is on the target can only be replaced by way of free databases: ${wanted.length} are needed, ${spare.length} are free.`
        : 'What is on the target can only be replaced with SWAPDB, which the login may not run.',
      {
        hint: 'Empty the target first, or raise "databases" in its configuration and let the login run SWAPDB.',
        at: ['url'],
      },
    );
  return { beside: false, loadInto: new Map(wanted.map((db) => [db, db])), emptied };
}
