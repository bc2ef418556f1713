import type { ItemsOf } from '../../../core/compare-states.ts';
import type { Item, ItemCut, ItemLimits, ItemNode, Items, ItemTree } from '../../../core/items.ts';
import { type Table, tableName } from '../capture/tables.ts';
import type { PsqlSession } from '../connect/psql-session.ts';
import { literal, type Row, text, texts } from '../connect/sql.ts';
import { bits, rowText, SUMS, TABLE } from '../fingerprint/data.ts';
import { rowName } from './row-columns.ts';
import { NODE_DIGEST } from './row-tree.ts';

/** One database whose fingerprint was read, in sessions that still see the same. */
export interface ReadTables {
  readonly prefix: string;
  /** The table with the session that may read it; undefined where there is none of that label. */
  find(label: string): { readonly table: Table; readonly session: PsqlSession } | undefined;
}

/** The rows of tables of a server: it hashes them once more, and sends what it is asked of that. */
export function liveItems(parts: readonly ReadTables[]): ItemsOf {
  return async ({ object, facts }) => {
    for (const { prefix, find } of parts) {
      if (!object.startsWith(prefix + TABLE)) continue;
      const found = find(object.slice(prefix.length + TABLE.length));
      if (found && found.table.hashed.length > 0)
        return rowsOf(found.table, found.session, Number(facts?.rows));
    }
    return undefined;
  };
}

function rowsOf(table: Table, session: PsqlSession, count: number): Items {
  return {
    ...{ noun: 'row', count, fields: table.hashed, key: table.key },
    tree: (cut, limits) => LiveTree.open(table, session, cut, limits),
  };
}

const SAVEPOINT = 'stasis_rows';
/** A setting of ours, within the savepoint: it holds `path count high low` of each leaf where no table may be made. */
const LEAVES = 'stasis.leaves';

/** One scan hashes all rows into leaves, which stay on the server; another reads the rows of those that differ. */
class LiveTree implements ItemTree {
  private readonly table: Table;
  private readonly session: PsqlSession;
  private readonly cut: ItemCut;

  private constructor(table: Table, session: PsqlSession, cut: ItemCut) {
    this.table = table;
    this.session = session;
    this.cut = cut;
  }

  static async open(
    table: Table,
    session: PsqlSession,
    cut: ItemCut,
    { timeoutMs }: ItemLimits,
  ): Promise<LiveTree> {
    await session.run(`SAVEPOINT ${SAVEPOINT}`);
    const tree = new LiveTree(table, session, cut);
    try {
      await session.run(`SET LOCAL statement_timeout = ${Math.max(1, timeoutMs)}`);
      if (cut.depth > 0) await tree.makeLeaves();
      return tree;
    } catch (error) {
      await tree[Symbol.asyncDispose]();
      throw error;
    }
  }

  private async makeLeaves(): Promise<void> {
    const { session, cut, doing } = this;
    await session.rows(
      `SELECT pg_catalog.set_config('${LEAVES}', coalesce(pg_catalog.string_agg(
          pg_catalog.concat_ws(' ', leaf, count, high, low), ';'), ''), true) IS NULL AS lost
        FROM (SELECT leaf, pg_catalog.count(*) AS count, ${SUMS}
          FROM (SELECT ${this.leaf} AS leaf, ${bits(rowText(cut.fields))} AS h FROM ${this.from} OFFSET 0) AS hashed
          GROUP BY leaf) AS leaves`,
      doing,
    );
  }

  async children(parents: readonly string[]): Promise<readonly ItemNode[]> {
    const level = parents[0]!.length;
    const rows = await this.session.rows(
      `SELECT pg_catalog.left(leaf, ${level + 1}) AS path, sum(count) AS count, ${NODE_DIGEST} AS digest
        FROM (SELECT part[1] AS leaf, part[2]::bigint AS count, part[3]::numeric AS high, part[4]::numeric AS low
          FROM (SELECT pg_catalog.string_to_array(one, ' ') AS part FROM pg_catalog.unnest(
            pg_catalog.string_to_array(pg_catalog.current_setting('${LEAVES}'), ';')) AS one OFFSET 0) AS parts) AS leaves
        WHERE pg_catalog.left(leaf, ${level}) = ${anyOf(parents)} GROUP BY 1`,
      this.doing,
    );
    return rows.map((row) => ({
      path: text(row, 'path'),
      count: Number(text(row, 'count')),
      digest: text(row, 'digest'),
    }));
  }

  async items(leaves: readonly string[]): Promise<readonly Item[]> {
    const { key, fields } = this.cut;
    const values = key?.map((column) => `pg_catalog.format('%s', t.${column})`).join(', ');
    const rows = await this.session.rows(
      `SELECT ${values === undefined ? '' : `ARRAY[${values}] AS key, `}pg_catalog.md5(${rowText(fields)}) AS digest
        FROM ${this.from} WHERE ${this.leaf} = ${anyOf(leaves)}`,
      this.doing,
    );
    return rows.map((row: Row) => ({
      name: key === undefined ? '' : rowName(key, texts(row, 'key')),
      digest: text(row, 'digest'),
    }));
  }

  /** Which leaf the row `t` lies below. */
  private get leaf(): string {
    const { key, fields, depth } = this.cut;
    return `pg_catalog.left(pg_catalog.md5(${rowText(key ?? fields)}), ${depth})`;
  }

  private get from(): string {
    const { condition } = this.table;
    const name = `ONLY ${tableName(this.table)}`;
    return condition === undefined ? `${name} AS t` : `(SELECT * FROM ${name} ${condition}) AS t`;
  }

  private get doing(): string {
    return `looking into ${tableName(this.table)}`;
  }

  /** Whatever became of it, the session sees again what it saw before. A session that has ended says so where it matters. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.session.tryTo(`ROLLBACK TO SAVEPOINT ${SAVEPOINT}`).catch(() => '');
  }
}

function anyOf(paths: readonly string[]): string {
  return `ANY (${literal(`{${paths.map((path) => `"${path}"`).join(',')}}`)}::text[])`;
}
