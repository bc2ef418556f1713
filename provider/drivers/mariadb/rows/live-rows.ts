import { isUtf8 } from 'node:buffer';
import type { ItemsOf } from '../../../core/compare-states.ts';
import { itemName } from '../../../core/item-name.ts';
import type { Item, ItemCut, ItemLimits, ItemNode, Items, ItemTree } from '../../../core/items.ts';
import { nodeOf } from '../../../core/read-items.ts';
import { columnsNamed, type Table, tableName } from '../capture/tables.ts';
import type { Connection } from '../connect/connection.ts';
import { list } from '../connect/sql.ts';
import { comparedColumns, hashOf, keyOf, SUMS, TABLE } from '../fingerprint/data.ts';

/** One database whose fingerprint was read, in sessions that still see the same. */
export interface ReadTables {
  readonly prefix: string;
  /** The table with a session that may read it; undefined where there is none of that name. */
  find(name: string): { readonly table: Table; readonly session: Connection } | undefined;
}

/** The rows of tables of a server: it hashes them anew for every level, as a reader may keep nothing there. */
export function liveItems(parts: readonly ReadTables[]): ItemsOf {
  return async ({ object, facts }) => {
    for (const { prefix, find } of parts) {
      if (!object.startsWith(prefix + TABLE)) continue;
      const found = find(object.slice(prefix.length + TABLE.length));
      if (found === undefined) continue;
      const { table, session } = found;
      const fields = comparedColumns(table).map(({ name }) => name);
      if (fields.length === 0) continue;
      return {
        ...{ noun: 'row', count: Number(facts?.rows), fields, key: keyOf(table) },
        tree: async (cut: ItemCut, limits: ItemLimits) => new LiveTree(table, session, cut, limits),
      } satisfies Items;
    }
    return undefined;
  };
}

/** Of a hash, what counts of a row: 128 bits. */
const DIGITS = 32;

class LiveTree implements ItemTree {
  private readonly table: Table;
  private readonly session: Connection;
  private readonly cut: ItemCut;
  private readonly signal: AbortSignal;

  constructor(table: Table, session: Connection, cut: ItemCut, { signal }: ItemLimits) {
    this.table = table;
    this.session = session;
    this.cut = cut;
    this.signal = signal;
  }

  async children(parents: readonly string[]): Promise<readonly ItemNode[]> {
    const level = parents[0]!.length;
    const below = level === 0 ? '' : `WHERE LEFT(${this.named}, ${level}) IN (${list(parents)})`;
    const sql = `SELECT path, COUNT(*), ${SUMS} FROM (SELECT LEFT(${this.named}, ${level + 1}) AS path, ${this.hashed} AS h
      FROM ${tableName(this.table)} ${below}) AS t GROUP BY path`;
    const nodes: ItemNode[] = [];
    for await (const fields of this.stream(sql)) {
      const [path, rows, high, low] = fields.map(String) as [string, string, string, string];
      const words = [high, low].map((sum) => BigInt.asUintN(64, BigInt(sum))) as [bigint, bigint];
      nodes.push(nodeOf(path, { count: Number(rows), high: words[0], low: words[1] }));
    }
    return nodes;
  }

  async items(leaves: readonly string[]): Promise<readonly Item[]> {
    const { cut, table } = this;
    const keys = columnsNamed(table, cut.key ?? []).map(({ read }) => read);
    const below = cut.depth === 0 ? '' : `WHERE LEFT(${this.named}, ${cut.depth}) IN (${list(leaves)})`;
    const sql = `SELECT ${[...keys, `LEFT(${this.hashed}, ${DIGITS})`].join(', ')} FROM ${tableName(table)} ${below}`;
    const items: Item[] = [];
    for await (const fields of this.stream(sql)) {
      const name = cut.key === undefined ? '' : itemName(cut.key, fields.slice(0, -1).map(keyText));
      items.push({ name, digest: String(fields.at(-1)) });
    }
    return items;
  }

  private stream(sql: string): AsyncGenerator<readonly (Buffer | null)[]> {
    return this.session.stream(sql, `looking into ${tableName(this.table)}`, this.signal);
  }

  private get hashed(): string {
    return hashOf(columnsNamed(this.table, this.cut.fields), this.session.product);
  }

  /** By which a row lies where it does in the tree. */
  private get named(): string {
    return hashOf(columnsNamed(this.table, this.cut.key ?? this.cut.fields), this.session.product);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** A part of a key as it is stored: text where it is that in UTF-8. */
export function keyText(bytes: Buffer | null): string {
  if (bytes === null) return 'NULL';
  return isUtf8(bytes) ? bytes.toString('utf8') : `0x${bytes.toString('hex')}`;
}
