import { printable } from '../../core/printable.ts';

/** Text from a snapshot as Markdown: it stays text, mentions nobody and links to nothing. */

/** As code, in which no markup, mention or reference counts. A cell of a table may hold it. */
export function code(text: string): string {
  const shown = printable(text).replaceAll('|', '\\|');
  const longest = Math.max(0, ...[...shown.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  const pad = shown.startsWith('`') || shown.endsWith('`') || shown.trim() === '' ? ' ' : '';
  return `${fence}${pad}${shown}${pad}${fence}`;
}

/** A sentence: as it stands, with what could be markup escaped; as code where it might name somebody or link. */
export function sentence(text: string): string {
  if (/[@#]|:\/\/|www\./i.test(text)) return code(text);
  return printable(text).replace(/[\\`*_{}[\]<>()&|~!$^=-]/g, '\\$&');
}
