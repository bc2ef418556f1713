/** Escapes that `rowsAsSql` writes; every other byte after a backslash stands for itself. */
const ESCAPED: Readonly<Record<string, string>> = { n: '\n', '0': '\0' };

/** The values of a line `(1,'a',NULL),` as `rowsAsSql` writes it: bytes, each as one character; NULL as null. */
export function lineValues(line: string): (string | null)[] {
  const values: (string | null)[] = [];
  let at = 1;
  let slash = line.indexOf('\\');
  while (at < line.length) {
    const quote = line.startsWith('_utf8mb4', at) ? at + '_utf8mb4'.length : at;
    if (line[quote] !== "'") {
      const end = /[,)]/g;
      end.lastIndex = at;
      const stop = end.exec(line)!.index;
      const raw = line.slice(at, stop);
      values.push(raw === 'NULL' ? null : raw);
      at = stop + 1;
    } else {
      const start = quote + 1;
      let end = line.indexOf("'", start);
      let isEscaped = false;
      if (slash >= 0 && slash < start) slash = line.indexOf('\\', start);
      while (slash >= 0 && slash < end) {
        isEscaped = true;
        if (slash + 2 > end) end = line.indexOf("'", slash + 2);
        slash = line.indexOf('\\', slash + 2);
      }
      const raw = line.slice(start, end);
      values.push(isEscaped ? raw.replaceAll(/\\(.)/gs, (_, sign: string) => ESCAPED[sign] ?? sign) : raw);
      at = end + 2;
    }
    // After the last value comes the end of the row: `),`.
    if (line[at - 1] === ')') break;
  }
  return values;
}
