/**
 * Rows as COPY writes them in its text format (https://www.postgresql.org/docs/current/sql-copy.html), and as the server
 * prints a row value (https://www.postgresql.org/docs/current/rowtypes.html). Texts hold bytes, each as one character, so
 * that whatever the encoding is, what is hashed here is what the server hashes.
 */

/** The values of a line; NULL as null. */
export function copiedValues(line: string): (string | null)[] {
  return line.split('\t').map((value) => {
    if (!value.includes('\\')) return value;
    return value === '\\N' ? null : value.replaceAll(/\\(.)/gs, (_, sign: string) => ESCAPED[sign] ?? sign);
  });
}

/** COPY TO writes these and the backslash with a backslash, and no others. */
const ESCAPED: Readonly<Record<string, string>> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** What a row value prints in quotes: separators, quotes, white space of the C locale, and what is empty. */
const QUOTED = /[ \t\n\v\f\r"\\(),]/;

/** What `ROW(…)::text` is of these values. */
export function recordText(values: readonly (string | null)[]): string {
  return `(${values.map(printed).join(',')})`;
}

function printed(value: string | null): string {
  if (value === null) return '';
  if (value !== '' && !QUOTED.test(value)) return value;
  return `"${value.replaceAll(/["\\]/g, '$&$&')}"`;
}
