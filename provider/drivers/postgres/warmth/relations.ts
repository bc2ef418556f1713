import { USER_SCHEMA } from '../capture/tables.ts';
import { literal, type Row, type Rows, text } from '../connect/sql.ts';

/** What has pages of its own; a TOAST table and its index are known by the table whose they are. */
export type RelationKind = 'table' | 'index' | 'toast' | 'toast-index';

export interface NamedRelation {
  readonly kind: RelationKind;
  readonly schema: string;
  readonly name: string;
}

/** Of a row of `RELATIONS`. */
export function namedOf(row: Row): NamedRelation {
  return {
    kind: text(row, 'kind') as RelationKind,
    schema: text(row, 'schema'),
    name: text(row, 'name'),
  };
}

/** Where an extension's functions and views are in a database; undefined where it is not installed. */
export async function schemaOfExtension(rows: Rows, name: string): Promise<string | undefined> {
  const [row] = await rows(`SELECT n.nspname::text AS schema FROM pg_catalog.pg_extension x
    JOIN pg_catalog.pg_namespace n ON n.oid = x.extnamespace WHERE x.extname = ${literal(name)}`);
  return row && text(row, 'schema');
}

/** The same in any database, whatever its objects' numbers there. */
export function keyOf({ kind, schema, name }: NamedRelation): string {
  return JSON.stringify([kind, schema, name]);
}

/** The user's relations as `oid`, `kind`, `schema`, `name`: a body for WITH. */
export const RELATIONS = `owner AS (
    SELECT c.oid, n.nspname, c.relname, c.reltoastrelid
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND ${USER_SCHEMA}
  ), relation AS (
    SELECT oid, 'table' AS kind, nspname::text AS schema, relname::text AS name FROM owner
    UNION ALL SELECT i.indexrelid, 'index', o.nspname::text, c.relname::text
      FROM owner o JOIN pg_catalog.pg_index i ON i.indrelid = o.oid
      JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    UNION ALL SELECT reltoastrelid, 'toast', nspname::text, relname::text FROM owner WHERE reltoastrelid <> 0
    UNION ALL SELECT i.indexrelid, 'toast-index', o.nspname::text, o.relname::text
      FROM owner o JOIN pg_catalog.pg_index i ON i.indrelid = o.reltoastrelid
  )`;
