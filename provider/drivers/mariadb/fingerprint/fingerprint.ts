import type { FingerprintEntry } from '../../../core/fingerprint.ts';
import { byCodeUnits } from '../../../core/order.ts';
import type { Positions } from '../capture/positions.ts';
import type { Table } from '../capture/tables.ts';
import type { Connection } from '../connect/connection.ts';
import { positionEntries, tableEntry } from './data.ts';

/** Databases in a state that stays as it is while it is read. */
export interface Readable {
  readonly databases: readonly { readonly name: string; readonly prefix: string }[];
  readonly definitions: readonly FingerprintEntry[];
  readonly positions: Positions;
  /** Entries that were read when they could be. */
  readonly read: readonly FingerprintEntry[];
  /** Its other tables, shared out among sessions that work at once. */
  eachShare(work: (session: Connection, tables: readonly Table[]) => Promise<void>): Promise<void>;
}

/** Everything that counts, in order. */
export async function fingerprintOf(state: Readable, signal: AbortSignal): Promise<FingerprintEntry[]> {
  const prefixes = new Map(state.databases.map(({ name, prefix }) => [name, prefix]));
  const entries = [...state.definitions, ...positionEntries(state.positions, prefixes), ...state.read];
  await state.eachShare(async (session, tables) => {
    for (const table of tables)
      entries.push(await tableEntry(session, table, prefixes.get(table.database) ?? '', signal));
  });
  return entries.sort((a, b) => byCodeUnits(a.object, b.object));
}
