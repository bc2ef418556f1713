import type { FingerprintEntry } from '../../../core/fingerprint.ts';
import { digestOf } from '../../../core/fingerprint-digest.ts';
import { optionalText, plainNames, type Row, type Rows, text, texts } from '../connect/sql.ts';
import { CODE_DEFINITIONS } from './definitions-code.ts';
import { otherDefinitions } from './definitions-other.ts';
import { RELATION_DEFINITIONS } from './definitions-relations.ts';
import { plainQuery } from './plain-query.ts';

/**
 * One entry for each object of the schema, and one more for each of its owner, grants and comment, so that what was
 * changed is named. Reads the catalogs by themselves, and nothing of a dump.
 */
export async function schemaEntries(rows: Rows, major: number): Promise<FingerprintEntry[]> {
  const entries: FingerprintEntry[] = [];
  for (const query of [...RELATION_DEFINITIONS, ...CODE_DEFINITIONS, ...otherDefinitions(major)])
    for (const row of await rows(query)) entries.push(...entriesOf(row));
  return entries;
}

/** The entries that one row of a definition's query makes. */
export function entriesOf(row: Row): FingerprintEntry[] {
  const object = plainNames(text(row, 'object'));
  const base = object.replace(/\/definition$/, '');
  const query = optionalText(row, 'query');
  const entries: FingerprintEntry[] = [
    {
      object,
      digest: digestOf(plainContent(text(row, 'content')), query === undefined ? null : plainQuery(query)),
    },
  ];
  const owner = optionalText(row, 'owner');
  if (owner !== undefined)
    entries.push({ object: `${base}/owner`, digest: digestOf(owner), facts: { owner } });
  if (Array.isArray(row.acl)) {
    const grants = texts(row, 'acl').map(plainGrant).join(' ');
    entries.push({ object: `${base}/grants`, digest: digestOf(grants), facts: { grants } });
  }
  const comment = optionalText(row, 'comment');
  if (comment !== undefined) entries.push({ object: `${base}/comment`, digest: digestOf(comment) });
  return entries;
}

const ALL_BEFORE_17 = ['DELETE', 'INSERT', 'REFERENCES', 'SELECT', 'TRIGGER', 'TRUNCATE', 'UPDATE'];

/** GRANT ALL includes MAINTAIN since version 17: whoever has all the others has ALL. */
function plainGrant(grant: string): string {
  const at = grant.lastIndexOf('=');
  const privileges = grant.slice(at + 1).split(',');
  for (const option of ['', '*'])
    if (ALL_BEFORE_17.every((privilege) => privileges.includes(privilege + option)))
      return `${grant.slice(0, at)}=ALL${option}`;
  return grant;
}

/** The content is JSON: quotes of names are escaped in it. */
function plainContent(content: string): string {
  return content.replace(/(?<!\\")\\"([a-z_][a-z0-9_$]*)\\"(?!\\")/g, '$1');
}
