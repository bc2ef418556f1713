import { ownObject, USER_SCHEMA } from '../capture/tables.ts';
import { commentOf, definition, dotted, grants, inSchema, json, sorted } from './definitions.ts';

const RELATION = `CASE c.relkind WHEN 'v' THEN 'view/' WHEN 'm' THEN 'materialized-view/' WHEN 'f' THEN 'foreign-table/'
  WHEN 'c' THEN 'composite-type/' WHEN 'S' THEN 'sequence/' ELSE 'table/' END || ${dotted('c.relname')}`;
const OWN = `${USER_SCHEMA} AND c.relpersistence <> 't' AND ${ownObject('c', 'pg_class')}`;
const TABLES = `pg_catalog.pg_class c ${inSchema('c', 'relnamespace')}`;
const OPTIONS = `ARRAY(SELECT o FROM pg_catalog.unnest(c.reloptions) AS o ORDER BY o COLLATE "C")`;

const relations = definition({
  object: `${RELATION} || '/definition'`,
  content: json({
    kind: 'c.relkind',
    persistence: 'c.relpersistence',
    method:
      "CASE WHEN c.relkind IN ('r', 'm') THEN (SELECT am.amname FROM pg_catalog.pg_am am WHERE am.oid = c.relam) END",
    options: OPTIONS,
    partitionKey: "CASE c.relkind WHEN 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) END",
    bound: 'pg_catalog.pg_get_expr(c.relpartbound, c.oid)',
    parents: `ARRAY(SELECT i.inhparent::pg_catalog.regclass::text FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid ORDER BY i.inhseqno)`,
    identity: "CASE WHEN c.relkind IN ('r', 'p') THEN c.relreplident END",
    rowSecurity: 'c.relrowsecurity',
    forced: 'c.relforcerowsecurity',
    type: 'CASE WHEN c.reloftype <> 0 THEN c.reloftype::pg_catalog.regtype::text END',
    populated: "CASE c.relkind WHEN 'm' THEN c.relispopulated END",
    uses: `CASE WHEN c.relkind IN ('v', 'm') THEN ARRAY(SELECT DISTINCT (d.refobjid::pg_catalog.regclass::text
        || coalesce('.' || pg_catalog.quote_ident(a.attname), '')) COLLATE "C" AS v
      FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_depend d
        ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid
          AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> c.oid
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND a.attnum > 0
      WHERE w.ev_class = c.oid ORDER BY v) END`,
    server: `(SELECT s.srvname FROM pg_catalog.pg_foreign_table f JOIN pg_catalog.pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = c.oid)`,
    foreign: `(SELECT ${sorted('o', 'pg_catalog.unnest(f.ftoptions) AS o')} FROM pg_catalog.pg_foreign_table f WHERE f.ftrelid = c.oid)`,
  }),
  query: "CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) END",
  owner: 'c.relowner',
  acl: grants('c.relacl', 'r', 'c.relowner'),
  comment: commentOf('c', 'pg_class'),
  from: TABLES,
  where: `c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND ${OWN}`,
});

/** A child table's inherited columns come first when it is made anew, so their order is not compared there. */
const columns = definition({
  object: `${RELATION} || '/column/' || pg_catalog.quote_ident(a.attname)`,
  content: json({
    position: `CASE WHEN c.relispartition OR NOT EXISTS (SELECT 1 FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid)
      THEN (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute b WHERE b.attrelid = a.attrelid AND b.attnum > 0
        AND b.attnum <= a.attnum AND NOT b.attisdropped) END`,
    type: 'pg_catalog.format_type(a.atttypid, a.atttypmod)',
    collation: `CASE WHEN a.attcollation <> (SELECT t.typcollation FROM pg_catalog.pg_type t WHERE t.oid = a.atttypid)
      THEN a.attcollation::pg_catalog.regcollation::text END`,
    notNull: 'a.attnotnull',
    default: 'pg_catalog.pg_get_expr(d.adbin, d.adrelid)',
    identity: 'a.attidentity',
    generated: 'a.attgenerated',
    storage: 'a.attstorage',
    compression: 'a.attcompression',
    statistics: "nullif(pg_catalog.to_jsonb(a)->>'attstattarget', '-1')",
    options: sorted('o', 'pg_catalog.unnest(a.attoptions) AS o'),
    foreign: sorted('o', 'pg_catalog.unnest(a.attfdwoptions) AS o'),
  }),
  acl: `CASE WHEN a.attacl IS NOT NULL THEN ${grants('a.attacl', 'c', 'c.relowner')} END`,
  comment: 'pg_catalog.col_description(c.oid, a.attnum)',
  from: `${TABLES} JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum`,
  where: `c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND a.attnum > 0 AND NOT a.attisdropped AND ${OWN}`,
});

/**
 * NOT NULL is with the columns; constraints that the server derives for partitions follow from their parents. A foreign
 * key is checked by triggers of the server's own, which DISABLE TRIGGER ALL switches off. What the server notes as NO
 * INHERIT of a key tells only whether a partition's was made with the partition or attached, as a dump does.
 */
const constraints = definition({
  object: `${RELATION} || '/constraint/' || pg_catalog.quote_ident(k.conname)`,
  content: json({
    definition: 'pg_catalog.pg_get_constraintdef(k.oid)',
    validated: 'k.convalidated',
    inherited: "k.contype IN ('p', 'u', 'x') OR k.connoinherit",
    unchecked: `EXISTS (SELECT 1 FROM pg_catalog.pg_trigger t
      WHERE t.tgconstraint = k.oid AND t.tgisinternal AND t.tgenabled IN ('D', 'R'))`,
  }),
  comment: commentOf('k', 'pg_constraint'),
  from: `${TABLES} JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid`,
  where: `k.contype IN ('c', 'f', 'p', 'u', 'x') AND NOT (k.contype = 'f' AND k.conparentid <> 0) AND ${OWN}`,
});

/** An invalid index is not dumped; the coverage names it. */
const indexes = definition({
  object: `${RELATION} || '/index/' || pg_catalog.quote_ident(x.relname)`,
  content: json({
    definition: 'pg_catalog.pg_get_indexdef(x.oid)',
    clustered: 'i.indisclustered',
    identity: 'i.indisreplident',
    parents: `ARRAY(SELECT h.inhparent::pg_catalog.regclass::text FROM pg_catalog.pg_inherits h WHERE h.inhrelid = x.oid)`,
  }),
  comment: commentOf('x', 'pg_class'),
  from: `${TABLES} JOIN pg_catalog.pg_index i ON i.indrelid = c.oid JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid`,
  where: `i.indisvalid AND ${OWN}`,
});

const triggers = definition({
  object: `${RELATION} || '/trigger/' || pg_catalog.quote_ident(t.tgname)`,
  content: json({ definition: 'pg_catalog.pg_get_triggerdef(t.oid)', enabled: 't.tgenabled' }),
  comment: commentOf('t', 'pg_trigger'),
  from: `${TABLES} JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid`,
  where: `NOT t.tgisinternal AND ${OWN}`,
});

const rules = definition({
  object: `${RELATION} || '/rule/' || pg_catalog.quote_ident(r.rulename)`,
  content: json({ enabled: 'r.ev_enabled' }),
  query: 'pg_catalog.pg_get_ruledef(r.oid)',
  comment: commentOf('r', 'pg_rewrite'),
  from: `${TABLES} JOIN pg_catalog.pg_rewrite r ON r.ev_class = c.oid`,
  where: `r.rulename <> '_RETURN' AND ${OWN}`,
});

const policies = definition({
  object: `${RELATION} || '/policy/' || pg_catalog.quote_ident(p.polname)`,
  content: json({
    command: 'p.polcmd',
    permissive: 'p.polpermissive',
    roles: `ARRAY(SELECT (CASE r WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(r)) END) COLLATE "C" AS v
      FROM pg_catalog.unnest(p.polroles) AS r ORDER BY v)`,
    using: 'pg_catalog.pg_get_expr(p.polqual, p.polrelid)',
    check: 'pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)',
  }),
  comment: commentOf('p', 'pg_policy'),
  from: `${TABLES} JOIN pg_catalog.pg_policy p ON p.polrelid = c.oid`,
  where: OWN,
});

const sequences = definition({
  object: `${RELATION} || '/definition'`,
  content: json({
    type: 's.seqtypid::pg_catalog.regtype::text',
    start: 's.seqstart',
    increment: 's.seqincrement',
    max: 's.seqmax',
    min: 's.seqmin',
    cache: 's.seqcache',
    cycles: 's.seqcycle',
    persistence: 'c.relpersistence',
    ownedBy: `(SELECT d.refobjid::pg_catalog.regclass::text || '.' || pg_catalog.quote_ident(a.attname) || ' ' || d.deptype::text
      FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass)`,
  }),
  owner: 'c.relowner',
  acl: grants('c.relacl', 's', 'c.relowner'),
  comment: commentOf('c', 'pg_class'),
  from: `${TABLES} JOIN pg_catalog.pg_sequence s ON s.seqrelid = c.oid`,
  where: OWN,
});

const statistics = definition({
  object: `'statistics/' || ${dotted('s.stxname')}`,
  content: json({
    definition: 'pg_catalog.pg_get_statisticsobjdef(s.oid)',
    target: "nullif(pg_catalog.to_jsonb(s)->>'stxstattarget', '-1')",
  }),
  owner: 's.stxowner',
  comment: commentOf('s', 'pg_statistic_ext'),
  from: `pg_catalog.pg_statistic_ext s ${inSchema('s', 'stxnamespace')}`,
  where: `${USER_SCHEMA} AND ${ownObject('s', 'pg_statistic_ext')}`,
});

export const RELATION_DEFINITIONS: readonly string[] = [
  ...[relations, columns, constraints, indexes, triggers],
  ...[rules, policies, sequences, statistics],
];
