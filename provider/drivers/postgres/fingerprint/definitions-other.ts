import { ownObject } from '../capture/tables.ts';
import { commentOf, definition, grants, json, named, sorted } from './definitions.ts';

/** Objects of the server's own making have object identifiers below this (FirstNormalObjectId). */
const OWN = (alias: string, catalog: string): string =>
  `${alias}.oid >= 16384 AND ${ownObject(alias, catalog)}`;
const quoted = (column: string): string => `pg_catalog.quote_ident(${column})`;

const casts = definition({
  object: `'cast/' || c.castsource::pg_catalog.regtype || ' as ' || c.casttarget::pg_catalog.regtype`,
  content: json({
    function: 'nullif(c.castfunc, 0)::pg_catalog.regprocedure::text',
    context: 'c.castcontext',
    method: 'c.castmethod',
  }),
  comment: commentOf('c', 'pg_cast'),
  from: 'pg_catalog.pg_cast c',
  where: OWN('c', 'pg_cast'),
});

const transforms = definition({
  object: `'transform/' || t.trftype::pg_catalog.regtype || ' ' || l.lanname`,
  content: json({ from: 't.trffromsql::text', to: 't.trftosql::text' }),
  from: 'pg_catalog.pg_transform t JOIN pg_catalog.pg_language l ON l.oid = t.trflang',
  where: OWN('t', 'pg_transform'),
});

const languages = definition({
  object: named('language', quoted('l.lanname')),
  content: json({
    trusted: 'l.lanpltrusted',
    handlers:
      "pg_catalog.concat_ws(' ', l.lanplcallfoid::pg_catalog.regproc, l.laninline::pg_catalog.regproc, l.lanvalidator::pg_catalog.regproc)",
  }),
  owner: 'l.lanowner',
  acl: grants('l.lanacl', 'l', 'l.lanowner'),
  comment: commentOf('l', 'pg_language'),
  from: 'pg_catalog.pg_language l',
  where: OWN('l', 'pg_language'),
});

const methods = definition({
  object: named('access-method', quoted('m.amname')),
  content: json({ handler: 'm.amhandler::text', type: 'm.amtype' }),
  comment: commentOf('m', 'pg_am'),
  from: 'pg_catalog.pg_am m',
  where: OWN('m', 'pg_am'),
});

const eventTriggers = definition({
  object: named('event-trigger', quoted('t.evtname')),
  content: json({
    event: 't.evtevent',
    function: 't.evtfoid::pg_catalog.regprocedure::text',
    enabled: 't.evtenabled',
    tags: sorted('o', 'pg_catalog.unnest(t.evttags) AS o'),
  }),
  owner: 't.evtowner',
  comment: commentOf('t', 'pg_event_trigger'),
  from: 'pg_catalog.pg_event_trigger t',
  where: OWN('t', 'pg_event_trigger'),
});

const foreign = [
  definition({
    object: named('foreign-data-wrapper', quoted('f.fdwname')),
    content: json({
      functions:
        "pg_catalog.concat_ws(' ', f.fdwhandler::pg_catalog.regproc, f.fdwvalidator::pg_catalog.regproc)",
      options: sorted('o', 'pg_catalog.unnest(f.fdwoptions) AS o'),
    }),
    owner: 'f.fdwowner',
    acl: grants('f.fdwacl', 'F', 'f.fdwowner'),
    comment: commentOf('f', 'pg_foreign_data_wrapper'),
    from: 'pg_catalog.pg_foreign_data_wrapper f',
    where: OWN('f', 'pg_foreign_data_wrapper'),
  }),
  definition({
    object: named('foreign-server', quoted('s.srvname')),
    content: json({
      wrapper: 'f.fdwname',
      type: 's.srvtype',
      version: 's.srvversion',
      options: sorted('o', 'pg_catalog.unnest(s.srvoptions) AS o'),
    }),
    owner: 's.srvowner',
    acl: grants('s.srvacl', 'S', 's.srvowner'),
    comment: commentOf('s', 'pg_foreign_server'),
    from: 'pg_catalog.pg_foreign_server s JOIN pg_catalog.pg_foreign_data_wrapper f ON f.oid = s.srvfdw',
    where: OWN('s', 'pg_foreign_server'),
  }),
  definition({
    object: `'user-mapping/' || ${quoted('m.srvname')} || ' ' || ${quoted('m.usename')}`,
    content: json({ options: sorted('o', 'pg_catalog.unnest(m.umoptions) AS o') }),
    from: 'pg_catalog.pg_user_mappings m',
  }),
];

const NONE = 'ARRAY[]::text[]';

/** Row filters, column lists and whole schemas came with version 15. */
function publications(major: number): string {
  const newer: Readonly<Record<string, string>> =
    major < 15
      ? { filters: NONE, columns: NONE, schemas: NONE }
      : {
          filters: `ARRAY(SELECT (r.prrelid::pg_catalog.regclass || ' ' || pg_catalog.pg_get_expr(r.prqual, r.prrelid)) COLLATE "C" AS v
            FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = p.oid AND r.prqual IS NOT NULL ORDER BY v)`,
          columns: `ARRAY(SELECT (r.prrelid::pg_catalog.regclass || ' ' || pg_catalog.quote_ident(a.attname)) COLLATE "C" AS v
            FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_attribute a
              ON a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)
            WHERE r.prpubid = p.oid ORDER BY v)`,
          schemas: `ARRAY(SELECT (s.pnnspid::pg_catalog.regnamespace::text) COLLATE "C" AS v FROM pg_catalog.pg_publication_namespace s
            WHERE s.pnpubid = p.oid ORDER BY v)`,
        };
  return definition({
    object: named('publication', quoted('p.pubname')),
    content: json({
      all: 'p.puballtables',
      operations: 'ARRAY[p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot]',
      tables: `ARRAY(SELECT (r.prrelid::pg_catalog.regclass::text) COLLATE "C" AS v
        FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = p.oid ORDER BY v)`,
      ...newer,
    }),
    owner: 'p.pubowner',
    comment: commentOf('p', 'pg_publication'),
    from: 'pg_catalog.pg_publication p',
    where: OWN('p', 'pg_publication'),
  });
}

const defaultPrivileges = definition({
  object: `'default-privileges/' || ${quoted('pg_catalog.pg_get_userbyid(d.defaclrole)')} || ' '
    || coalesce(${quoted('n.nspname')}, '*') || ' ' || d.defaclobjtype::text`,
  content: json({ kind: 'd.defaclobjtype' }),
  acl: grants('d.defaclacl', 'r', 'd.defaclrole'),
  from: 'pg_catalog.pg_default_acl d LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace',
});

export function otherDefinitions(major: number): readonly string[] {
  return [
    ...[casts, transforms, languages, methods, eventTriggers, defaultPrivileges],
    ...[publications(major), ...foreign],
  ];
}
