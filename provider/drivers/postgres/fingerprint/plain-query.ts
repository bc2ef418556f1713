import { plainNames } from '../connect/sql.ts';

/** Texts, names in quotes and without, parentheses, commas; whatever else a query has lies between them. */
const TOKENS = /'(?:[^']|'')*'|"(?:[^"]|"")*"|[A-Za-z_][\w$]*|[(),]/g;
const AFTER_FROM = ['WHERE', 'GROUP', 'HAVING', 'WINDOW', 'ORDER', 'LIMIT', 'OFFSET', 'FETCH', 'FOR'];
const SEVERAL = ['JOIN', 'UNION', 'INTERSECT', 'EXCEPT'];

interface Token {
  readonly text: string;
  readonly at: number;
  /** How many parentheses are open, and whether a query began in one of them. */
  readonly depth: number;
  readonly inner: boolean;
}

/**
 * A view's query without what only the server's version decides: since 16, the outermost query prints its columns without
 * their table's name where it reads from one thing only (`varprefix` of ruleutils.c); before, always with it. There that
 * name says nothing, and goes. Everywhere else, names and parentheses are what the query means.
 */
export function plainQuery(query: string): string {
  const plain = query.replace(PARTS, plainPart).trim();
  const tokens = tokensOf(plain);
  const only = onlySource(tokens);
  if (only === undefined) return plain;
  let result = '';
  let from = 0;
  for (const { text, at, inner } of tokens) {
    if (inner || text !== only || plain[at + text.length] !== '.' || plain[at - 1] === '.') continue;
    result += plain.slice(from, at);
    from = at + text.length + 1;
  }
  return result + plain.slice(from);
}

/** Names without quotes where they need none; space as one blank; texts as they are. */
const PARTS = /'(?:[^']|'')*'|"(?:[^"]|"")*"|\s+/g;

function plainPart(part: string): string {
  if (part.startsWith("'")) return part;
  return part.startsWith('"') ? plainNames(part) : ' ';
}

function tokensOf(query: string): Token[] {
  const tokens: Token[] = [];
  const queryWithin: boolean[] = [];
  for (const { 0: text, index: at } of query.matchAll(TOKENS)) {
    if (text === ')') queryWithin.pop();
    if (text === 'SELECT' && queryWithin.length > 0) queryWithin[queryWithin.length - 1] = true;
    tokens.push({ text, at, depth: queryWithin.length, inner: queryWithin.includes(true) });
    if (text === '(') queryWithin.push(false);
  }
  return tokens;
}

/** The name under which the outermost query knows the one thing that it reads from; undefined where there are more. */
function onlySource(tokens: readonly Token[]): string | undefined {
  const outermost = tokens.filter(({ depth }) => depth === 0);
  if (outermost.some(({ text }) => SEVERAL.includes(text))) return undefined;
  const begins = outermost.findIndex(({ text }) => text === 'FROM');
  if (begins < 0) return undefined;
  const rest = outermost.slice(begins + 1);
  const ends = rest.findIndex(({ text }) => AFTER_FROM.includes(text));
  const source = rest.slice(0, ends < 0 ? undefined : ends);
  if (source.some(({ text }) => text === ',')) return undefined;
  return source.findLast(({ text }) => !['(', ')'].includes(text))?.text;
}
