import type { Context } from '../../core/context.ts';
import type { Examination } from '../../core/driver.ts';
import { toStasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import { clientsForDump, findClients } from './connect/clients.ts';
import { OLDEST_MAJOR } from './connect/server.ts';

/** The sets of client programs on a host, newest first; without one that fits the oldest server nothing can be captured. */
export async function examine(at: Host, context: Context): Promise<Examination> {
  const sets = await findClients({}, at, context.signal);
  const found = sets
    .toSorted((a, b) => b.major - a.major)
    .map(({ version, pgDump }) => ({ what: `pg_dump, pg_restore and psql ${version}`, where: pgDump }));
  try {
    clientsForDump(sets, OLDEST_MAJOR, {});
    return { found, problems: [] };
  } catch (error) {
    return { found, problems: [toStasisError(error)] };
  }
}
