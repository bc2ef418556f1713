import type { Drift } from '../drift.ts';
import { bySql, type PostgresTwin } from './twin.ts';

/** Functions, triggers, views, types and what else acts by itself. */
export const POSTGRES_CODE_DRIFTS: readonly Drift<PostgresTwin>[] = [
  bySql('a trigger switched off', 'ALTER TABLE app.lines DISABLE TRIGGER note_lines', [
    'table/app.lines/trigger/note_lines',
  ]),
  bySql('a trigger that fires on replicas too', 'ALTER TABLE app.lines ENABLE ALWAYS TRIGGER note_lines', [
    'table/app.lines/trigger/note_lines',
  ]),
  bySql('an event trigger switched on', 'ALTER EVENT TRIGGER watch_ddl ENABLE', ['event-trigger/watch_ddl']),
  bySql(
    "a function's body",
    'CREATE OR REPLACE FUNCTION app.rank(app.mood) RETURNS integer LANGUAGE sql IMMUTABLE AS $$ SELECT 1 + length($1::text) $$',
    ['function/app.rank(app.mood)'],
  ),
  bySql("a function's own setting", 'ALTER FUNCTION app.many(integer[]) RESET search_path', [
    'function/app.many(VARIADIC xs integer[])',
  ]),
  bySql('how much a function may change', 'ALTER FUNCTION app.add(integer, integer) VOLATILE', [
    'function/app.add(a integer, b integer)',
  ]),
  bySql('whose rights a procedure has', 'ALTER PROCEDURE app.touch(integer) SECURITY INVOKER', [
    'function/app.touch(INOUT x integer)',
  ]),
  bySql('a grant on a function', 'GRANT EXECUTE ON FUNCTION app.add(integer, integer) TO PUBLIC', [
    'function/app.add(a integer, b integer)/grants',
  ]),
  bySql("an extension's version", "DROP EXTENSION pg_trgm; CREATE EXTENSION pg_trgm VERSION '1.5'", [
    'extension/pg_trgm',
  ]),
  bySql('an extension less', 'DROP EXTENSION pg_trgm', ['extension/pg_trgm', 'extension/pg_trgm/comment']),
  bySql(
    'a number in a view',
    `CREATE OR REPLACE VIEW app.small_keys WITH (security_barrier) AS
       SELECT k.id, k.total AS "Total" FROM app.keys k WHERE k.total < 11 AND k.code <> 'a.b (c)'`,
    ['view/app.small_keys/definition'],
  ),
  bySql(
    'what comes first in a view, + or *',
    'CREATE OR REPLACE VIEW app.sums AS SELECT n + (1 * 2) AS twice, what FROM app.events',
    ['view/app.sums/definition'],
  ),
  bySql(
    'which side of a comparison in a view',
    'CREATE OR REPLACE VIEW app.pairs AS SELECT a.id FROM app.keys a JOIN app.hashed b ON b.v = a.code WHERE b.k > a.id',
    ['view/app.pairs/definition'],
  ),
  bySql("a view's security barrier", 'ALTER VIEW app.small_keys RESET (security_barrier)', [
    'view/app.small_keys/definition',
  ]),
  bySql('a rule less', 'DROP RULE no_delete ON app.small_keys', ['view/app.small_keys/rule/no_delete']),
  bySql('a materialized view that was not filled', 'REFRESH MATERIALIZED VIEW app.not_yet', [
    'materialized-view/app.not_yet/definition',
  ]),
  bySql("an enumeration's label", "ALTER TYPE app.mood RENAME VALUE 'meh' TO 'mäh'", ['type/app.mood']),
  bySql("a domain's check", 'ALTER DOMAIN app.positive DROP CONSTRAINT is_positive', ['type/app.positive']),
  bySql('stop words of a dictionary', 'ALTER TEXT SEARCH DICTIONARY app.stops (STOPWORDS = danish)', [
    'text-search-dictionary/app.stops',
  ]),
  bySql('what a publication publishes', "ALTER PUBLICATION changes SET (publish = 'insert, update')", [
    'publication/changes',
  ]),
  bySql('where a foreign server is', "ALTER SERVER far OPTIONS (SET host 'other')", ['foreign-server/far']),
  bySql('row security switched off', 'ALTER TABLE app.keys DISABLE ROW LEVEL SECURITY', [
    'table/app.keys/definition',
  ]),
  bySql('the condition of a policy', 'ALTER POLICY own_rows ON app.keys USING (total >= 0)', [
    'table/app.keys/policy/own_rows',
  ]),
  bySql('a comment', "COMMENT ON COLUMN app.keys.total IS 'without tax'", [
    'table/app.keys/column/total/comment',
  ]),
];
