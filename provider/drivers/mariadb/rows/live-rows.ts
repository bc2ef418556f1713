import { isUtf8 } from 'node:buffer';
import type { ItemsOf } from '../../../core/compare-states.ts';
import { itemName } from '../../../core/item-name.ts';
import type { ItemSum } from '../../../core/item-sums.ts';
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

/** The rows of tables of a server: it hashes them anew for every other level, as a reader may keep nothing there. */
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

type PathSum = ItemSum & { readonly path: string };

function added(one: ItemSum = { count: 0, high: 0n, low: 0n }, other: ItemSum): ItemSum {
  return {
    count: one.count + other.count,
    high: BigInt.asUintN(64, one.high + other.high),
    low: BigInt.asUintN(64, one.low + other.low),
  };
}

class LiveTree implements ItemTree {
  private readonly table: Table;
  private readonly session: Connection;
  private readonly cut: ItemCut;
  private readonly signal: AbortSignal;
  /** What the last scan told of a level that is yet to be asked for. */
  private ahead: { readonly level: number; readonly sums: readonly PathSum[] } | undefined;

  constructor(table: Table, session: Connection, cut: ItemCut, { signal }: ItemLimits) {
    this.table = table;
    this.session = session;
    this.cut = cut;
    this.signal = signal;
  }

  async children(parents: readonly string[]): Promise<readonly ItemNode[]> {
    const level = parents[0]!.length + 1;
    // Two levels a scan: a few kilobytes more, and half as many scans.
    if (this.ahead?.level !== level) {
      const deeper = Math.min(level + 1, this.cut.depth);
      this.ahead = { level: deeper, sums: await this.sums(parents, deeper) };
    }
    const nodes = new Map<string, ItemSum>();
    const wanted = new Set(parents);
    for (const { path, ...sum } of this.ahead.sums) {
      if (!wanted.has(path.slice(0, level - 1))) continue;
      const node = path.slice(0, level);
      nodes.set(node, added(nodes.get(node), sum));
    }
    return [...nodes].map(([path, sum]) => nodeOf(path, sum));
  }

  /** Of the nodes of a level that lie below these. */
  private async sums(parents: readonly string[], level: number): Promise<PathSum[]> {
    const above = parents[0]!.length;
    const below = above === 0 ? '' : `WHERE LEFT(${this.named}, ${above}) IN (${list(parents)})`;
    const sql = `SELECT path, COUNT(*), ${SUMS} FROM (SELECT LEFT(${this.named}, ${level}) AS path, ${this.hashed} AS h
      FROM ${tableName(this.table)} ${below}) AS t GROUP BY path`;
    const found: PathSum[] = [];
    for await (const fields of this.stream(sql)) {
      const [path, rows, high, low] = fields.map(String) as [string, string, string, string];
      found.push({ path, count: Number(rows), high: BigInt(high), low: BigInt(low) });
    }
    return found;
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
