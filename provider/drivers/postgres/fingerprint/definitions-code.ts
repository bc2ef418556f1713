import { ownObject, USER_SCHEMA } from '../capture/tables.ts';
import { commentOf, definition, dotted, grants, inSchema, json, named, sorted } from './definitions.ts';

const schemas = definition({
  object: named('schema', 'pg_catalog.quote_ident(n.nspname)'),
  content: json({ name: 'n.nspname' }),
  owner: 'n.nspowner',
  acl: grants('n.nspacl', 'n', 'n.nspowner'),
  comment: commentOf('n', 'pg_namespace'),
  from: 'pg_catalog.pg_namespace n',
  where: `${USER_SCHEMA} AND ${ownObject('n', 'pg_namespace')}`,
});

/** An extension belongs to whoever creates it: dumps do not keep its owner. */
const extensions = definition({
  object: named('extension', 'pg_catalog.quote_ident(x.extname)'),
  content: json({ version: 'x.extversion', schema: 'n.nspname' }),
  comment: commentOf('x', 'pg_extension'),
  from: `pg_catalog.pg_extension x ${inSchema('x', 'extnamespace')}`,
});

const FUNCTION = `'function/' || ${dotted('p.proname')} || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')'`;
const functions = definition({
  object: FUNCTION,
  content: json({
    kind: 'p.prokind',
    language: '(SELECT l.lanname FROM pg_catalog.pg_language l WHERE l.oid = p.prolang)',
    source: "CASE WHEN p.prokind <> 'a' THEN p.prosrc END",
    library: 'p.probin',
    result: 'pg_catalog.pg_get_function_result(p.oid)',
    arguments: 'pg_catalog.pg_get_function_arguments(p.oid)',
    volatility: 'p.provolatile',
    strict: 'p.proisstrict',
    definer: 'p.prosecdef',
    leakproof: 'p.proleakproof',
    parallel: 'p.proparallel',
    cost: 'p.procost',
    rows: 'p.prorows',
    support: 'nullif(p.prosupport::pg_catalog.oid, 0)::pg_catalog.regproc::text',
    settings: sorted('o', 'pg_catalog.unnest(p.proconfig) AS o'),
    aggregate: `(SELECT pg_catalog.to_jsonb(a) - ARRAY['aggfnoid', 'aggtranstype', 'aggmtranstype', 'aggsortop']
      || pg_catalog.jsonb_build_object('state', a.aggtranstype::pg_catalog.regtype::text,
        'movingState', a.aggmtranstype::pg_catalog.regtype::text, 'sort', a.aggsortop::pg_catalog.regoperator::text)
      FROM pg_catalog.pg_aggregate a WHERE a.aggfnoid = p.oid)`,
  }),
  query: 'pg_catalog.pg_get_function_sqlbody(p.oid)',
  owner: 'p.proowner',
  acl: grants('p.proacl', 'f', 'p.proowner'),
  comment: commentOf('p', 'pg_proc'),
  from: `pg_catalog.pg_proc p ${inSchema('p', 'pronamespace')}`,
  where: `${USER_SCHEMA} AND ${ownObject('p', 'pg_proc')}`,
});

/** Rows of composite types and of tables, arrays and multiranges follow from what they belong to. */
const types = definition({
  object: named('type', dotted('t.typname')),
  content: json({
    kind: 't.typtype',
    labels:
      'ARRAY(SELECT e.enumlabel FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder)',
    base: 'pg_catalog.format_type(nullif(t.typbasetype, 0), t.typtypmod)',
    default: 't.typdefault',
    notNull: 't.typnotnull',
    collation: 'CASE WHEN t.typcollation <> 0 THEN t.typcollation::pg_catalog.regcollation::text END',
    checks: `ARRAY(SELECT k.conname || ' ' || pg_catalog.pg_get_constraintdef(k.oid) || k.convalidated::text
      FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c' ORDER BY k.conname COLLATE "C")`,
    range: `(SELECT pg_catalog.concat_ws(' ', r.rngsubtype::pg_catalog.regtype, r.rngcollation::pg_catalog.regcollation,
        o.opcname, r.rngcanonical, r.rngsubdiff)
      FROM pg_catalog.pg_range r JOIN pg_catalog.pg_opclass o ON o.oid = r.rngsubopc WHERE r.rngtypid = t.oid)`,
    functions: `CASE t.typtype WHEN 'b' THEN pg_catalog.concat_ws(' ', t.typinput, t.typoutput, t.typreceive, t.typsend,
      t.typmodin, t.typmodout, t.typanalyze, t.typlen, t.typbyval, t.typalign, t.typstorage, t.typcategory,
      t.typispreferred, t.typdelim) END`,
  }),
  owner: 't.typowner',
  acl: grants('t.typacl', 'T', 't.typowner'),
  comment: commentOf('t', 'pg_type'),
  from: `pg_catalog.pg_type t ${inSchema('t', 'typnamespace')}`,
  where: `t.typtype IN ('e', 'd', 'r', 'b') AND t.typisdefined AND t.typrelid = 0
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_type b WHERE b.typarray = t.oid)
    AND ${USER_SCHEMA} AND ${ownObject('t', 'pg_type')}`,
});

const operators = definition({
  object: `'operator/' || n.nspname || '.' || o.oprname || '(' || o.oprleft::pg_catalog.regtype || ','
    || o.oprright::pg_catalog.regtype || ')'`,
  content: json({
    procedure: 'o.oprcode::text',
    result: 'o.oprresult::pg_catalog.regtype::text',
    commutator: 'o.oprcom::pg_catalog.regoperator::text',
    negator: 'o.oprnegate::pg_catalog.regoperator::text',
    estimators: "o.oprrest::text || ' ' || o.oprjoin::text",
    joins: 'ARRAY[o.oprcanmerge, o.oprcanhash]',
  }),
  owner: 'o.oprowner',
  comment: commentOf('o', 'pg_operator'),
  from: `pg_catalog.pg_operator o ${inSchema('o', 'oprnamespace')}`,
  where: `${USER_SCHEMA} AND ${ownObject('o', 'pg_operator')}`,
});

const families = definition({
  object: `'operator-family/' || ${dotted('f.opfname')} || ' ' || m.amname`,
  content: json({
    operators: `ARRAY(SELECT (pg_catalog.concat_ws(' ', a.amopstrategy, a.amopopr::pg_catalog.regoperator, a.amoppurpose, s.opfname)) COLLATE "C" AS v
      FROM pg_catalog.pg_amop a LEFT JOIN pg_catalog.pg_opfamily s ON s.oid = a.amopsortfamily
      WHERE a.amopfamily = f.oid ORDER BY v)`,
    functions: `ARRAY(SELECT (pg_catalog.concat_ws(' ', a.amprocnum, a.amproclefttype::pg_catalog.regtype,
        a.amprocrighttype::pg_catalog.regtype, a.amproc::pg_catalog.regprocedure)) COLLATE "C" AS v
      FROM pg_catalog.pg_amproc a WHERE a.amprocfamily = f.oid ORDER BY v)`,
    classes: `ARRAY(SELECT (pg_catalog.concat_ws(' ', o.opcname, o.opcintype::pg_catalog.regtype, o.opcdefault,
        nullif(o.opckeytype, 0)::pg_catalog.regtype, pg_catalog.pg_get_userbyid(o.opcowner))) COLLATE "C" AS v
      FROM pg_catalog.pg_opclass o WHERE o.opcfamily = f.oid ORDER BY v)`,
  }),
  owner: 'f.opfowner',
  comment: commentOf('f', 'pg_opfamily'),
  from: `pg_catalog.pg_opfamily f ${inSchema('f', 'opfnamespace')} JOIN pg_catalog.pg_am m ON m.oid = f.opfmethod`,
  where: `${USER_SCHEMA} AND ${ownObject('f', 'pg_opfamily')}`,
});

/** Column names of ICU and built-in locales differ between versions: they are read by way of JSON. */
const collations = definition({
  object: named('collation', dotted('c.collname')),
  content: json({
    provider: 'c.collprovider',
    collate: 'c.collcollate',
    ctype: 'c.collctype',
    locale: "coalesce(pg_catalog.to_jsonb(c)->>'colllocale', pg_catalog.to_jsonb(c)->>'colliculocale')",
    rules: "pg_catalog.to_jsonb(c)->>'collicurules'",
    deterministic: 'c.collisdeterministic',
  }),
  owner: 'c.collowner',
  comment: commentOf('c', 'pg_collation'),
  from: `pg_catalog.pg_collation c ${inSchema('c', 'collnamespace')}`,
  where: `${USER_SCHEMA} AND ${ownObject('c', 'pg_collation')}`,
});

const textSearch = [
  definition({
    object: named('text-search-configuration', dotted('c.cfgname')),
    content: json({
      parser: '(SELECT p.prsname FROM pg_catalog.pg_ts_parser p WHERE p.oid = c.cfgparser)',
      mapping: `ARRAY(SELECT (pg_catalog.concat_ws(' ', m.maptokentype, m.mapseqno, m.mapdict::pg_catalog.regdictionary)) COLLATE "C" AS v
        FROM pg_catalog.pg_ts_config_map m WHERE m.mapcfg = c.oid ORDER BY v)`,
    }),
    owner: 'c.cfgowner',
    comment: commentOf('c', 'pg_ts_config'),
    from: `pg_catalog.pg_ts_config c ${inSchema('c', 'cfgnamespace')}`,
    where: `${USER_SCHEMA} AND ${ownObject('c', 'pg_ts_config')}`,
  }),
  definition({
    object: named('text-search-dictionary', dotted('d.dictname')),
    content: json({
      template: '(SELECT t.tmplname FROM pg_catalog.pg_ts_template t WHERE t.oid = d.dicttemplate)',
      options: 'd.dictinitoption',
    }),
    owner: 'd.dictowner',
    comment: commentOf('d', 'pg_ts_dict'),
    from: `pg_catalog.pg_ts_dict d ${inSchema('d', 'dictnamespace')}`,
    where: `${USER_SCHEMA} AND ${ownObject('d', 'pg_ts_dict')}`,
  }),
  definition({
    object: named('text-search-parser', dotted('p.prsname')),
    content: json({
      functions: "pg_catalog.concat_ws(' ', p.prsstart, p.prstoken, p.prsend, p.prsheadline, p.prslextype)",
    }),
    comment: commentOf('p', 'pg_ts_parser'),
    from: `pg_catalog.pg_ts_parser p ${inSchema('p', 'prsnamespace')}`,
    where: `${USER_SCHEMA} AND ${ownObject('p', 'pg_ts_parser')}`,
  }),
  definition({
    object: named('text-search-template', dotted('t.tmplname')),
    content: json({ functions: "pg_catalog.concat_ws(' ', t.tmplinit, t.tmpllexize)" }),
    comment: commentOf('t', 'pg_ts_template'),
    from: `pg_catalog.pg_ts_template t ${inSchema('t', 'tmplnamespace')}`,
    where: `${USER_SCHEMA} AND ${ownObject('t', 'pg_ts_template')}`,
  }),
];

const conversions = definition({
  object: named('conversion', dotted('c.conname')),
  content: json({
    from: 'pg_catalog.pg_encoding_to_char(c.conforencoding)',
    to: 'pg_catalog.pg_encoding_to_char(c.contoencoding)',
    procedure: 'c.conproc::text',
    default: 'c.condefault',
  }),
  owner: 'c.conowner',
  comment: commentOf('c', 'pg_conversion'),
  from: `pg_catalog.pg_conversion c ${inSchema('c', 'connamespace')}`,
  where: `${USER_SCHEMA} AND ${ownObject('c', 'pg_conversion')}`,
});

export const CODE_DEFINITIONS: readonly string[] = [
  ...[schemas, extensions, functions, types, operators, families, collations, conversions],
  ...textSearch,
];
