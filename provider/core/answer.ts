import { StasisError } from './errors.ts';
import { ANSWER_MAX_BYTES, ANSWER_MAX_ROWS, type Answer, type ProbeComparison } from './probe.ts';

/**
 * An answer as `putJson` has stored it.
 * @throws StasisError `store.damaged`
 */
export function parseAnswer(value: unknown): Answer {
  const rows: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'rows') : undefined;
  const isCell = (cell: unknown): boolean => cell === null || typeof cell === 'string';
  if (Array.isArray(rows) && rows.every((row) => Array.isArray(row) && row.every(isCell)))
    return { rows: rows as Answer['rows'] };
  throw new StasisError('store.damaged', 'The stored answer of a probe is malformed.');
}

/** @throws StasisError `probe.answer-too-long` */
export function insistOnShortness(answer: Answer): Answer {
  const { rows } = answer;
  if (rows.length <= ANSWER_MAX_ROWS && Buffer.byteLength(JSON.stringify(rows)) <= ANSWER_MAX_BYTES)
    return answer;
  throw new StasisError(
    'probe.answer-too-long',
    `The answer has more than ${ANSWER_MAX_ROWS.toLocaleString('en-US')} rows or ${ANSWER_MAX_BYTES >> 20} MiB.`,
    { hint: 'Ask for a count, a sum or a digest.' },
  );
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Bytes as an answer shows them: text where they are text, else `hex:…`. */
export function textOfBytes(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return `hex:${Buffer.from(bytes).toString('hex')}`;
  }
}

/** How a restored answer differs from the captured one, for people; undefined where they are equal. */
export function answerDifference(
  captured: Answer,
  restored: Answer,
  comparison: ProbeComparison,
): string | undefined {
  if (comparison.jsonPath !== undefined)
    return jsonDifference(captured, restored, comparison.jsonPath, comparison.within);
  const [left, right] = [captured.rows, restored.rows];
  const numbers = [soleNumber(captured), soleNumber(restored)] as const;
  if (numbers[0] !== undefined && numbers[1] !== undefined)
    return numberDifference(numbers[0], numbers[1], comparison.within);
  if (left.length !== right.length) return `rows: ${left.length} -> ${right.length}`;
  const isOrdered = comparison.rows === 'ordered' || comparison.within !== undefined;
  const [ones, others] = isOrdered ? [left, right] : [sorted(left), sorted(right)];
  const differing = ones.filter((row, index) => !rowsEqual(row, others[index]!, comparison.within)).length;
  if (differing === 0) return undefined;
  const isOrderOnly = isOrdered && ones.length > 1 && equalAsSets(left, right);
  return isOrderOnly ? 'the same rows in another order' : `${differing} of ${left.length} rows differ`;
}

/** By how much the one number that both answers are has changed; undefined where they are not one number each. */
export function answerChange(
  captured: Answer,
  restored: Answer,
  { jsonPath }: ProbeComparison,
): number | undefined {
  const [before, after] = [captured, restored].map((answer) =>
    jsonPath === undefined ? soleNumber(answer) : partIn(answer, jsonPath),
  );
  return typeof before === 'number' && typeof after === 'number' ? after - before : undefined;
}

/** Whether an answer is what was expected of it; only one value can be. */
export function isAsExpected(answer: Answer, expected: string, comparison: ProbeComparison): boolean {
  const { jsonPath } = comparison;
  const cell = soleCell(answer);
  if (cell === undefined) return false;
  const part = jsonPath === undefined ? cell : partOf(cell, jsonPath);
  if (part === undefined) return false;
  const text = typeof part === 'string' ? part : JSON.stringify(part);
  if (text === expected || text.trimEnd() === expected) return true;
  const [one, other] = [numberOf(text), numberOf(expected)];
  return one !== undefined && other !== undefined && Math.abs(one - other) <= (comparison.within ?? 0);
}

function numberDifference(captured: number, restored: number, within = 0): string | undefined {
  if (Math.abs(captured - restored) <= within) return undefined;
  return `${captured} -> ${restored}${within > 0 ? `, which differ by more than ${within}` : ''}`;
}

function jsonDifference(
  captured: Answer,
  restored: Answer,
  path: string,
  within: number | undefined,
): string | undefined {
  const [left, right] = [partIn(captured, path), partIn(restored, path)];
  if (left === undefined || right === undefined) {
    if (left === right) return undefined;
    return `${path}: ${left === undefined ? 'nothing' : 'something'} -> ${right === undefined ? 'nothing' : 'something'}`;
  }
  if (typeof left === 'number' && typeof right === 'number') {
    const how = numberDifference(left, right, within);
    return how && `${path}: ${how}`;
  }
  return canonical(left) === canonical(right) ? undefined : `${path}: the value differs`;
}

/** The part of an answer that is one JSON text; undefined where there is none. */
function partIn(answer: Answer, path: string): unknown {
  const cell = soleCell(answer);
  return cell === undefined ? undefined : partOf(cell, path);
}

function soleCell({ rows }: Answer): string | undefined {
  return rows.length === 1 && rows[0]!.length === 1 ? (rows[0]![0] ?? undefined) : undefined;
}

function soleNumber(answer: Answer): number | undefined {
  const cell = soleCell(answer);
  return cell === undefined ? undefined : numberOf(cell);
}

/** Only what a double holds exactly: a larger number is compared as text, so that no digit is lost. */
function numberOf(text: string): number | undefined {
  if (!/^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?\s*$/i.test(text)) return undefined;
  const digits = text.replace(/e.*$/i, '').replace(/\D/g, '').replace(/^0+/, '');
  return digits.length <= 15 ? Number(text) : undefined;
}

type Row = readonly (string | null)[];

function rowsEqual(left: Row, right: Row, within: number | undefined): boolean {
  return left.length === right.length && left.every((cell, index) => cellsEqual(cell, right[index]!, within));
}

function cellsEqual(left: string | null, right: string | null, within = 0): boolean {
  if (left === right) return true;
  if (left === null || right === null || within === 0) return false;
  const [one, other] = [numberOf(left), numberOf(right)];
  return one !== undefined && other !== undefined && Math.abs(one - other) <= within;
}

function sorted(rows: readonly Row[]): readonly Row[] {
  return rows
    .map((row) => [JSON.stringify(row), row] as const)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([, row]) => row);
}

function equalAsSets(left: readonly Row[], right: readonly Row[]): boolean {
  const others = sorted(right);
  return sorted(left).every((row, index) => rowsEqual(row, others[index]!, undefined));
}

/** Text that is equal exactly for equal JSON values, whatever the order of their names. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(Reflect.get(value, name))}`).join(',')}}`;
}

/** `.name`, `['name']`, `["name"]` or `[0]`. */
const STEP = /\.([A-Za-z_][\w]*)|\['((?:[^'\\])*)'\]|\["((?:[^"\\])*)"\]|\[(-?(?:0|[1-9]\d*))\]/y;

/** The steps of a singular query (RFC 9535, 2.3.5.1), without escapes in names; undefined where it is none. */
export function parseJsonPath(path: string): readonly (string | number)[] | undefined {
  if (!path.startsWith('$')) return undefined;
  const steps: (string | number)[] = [];
  STEP.lastIndex = 1;
  while (STEP.lastIndex < path.length) {
    const match = STEP.exec(path);
    if (match === null) return undefined;
    const [, dotted, single, double, index] = match;
    steps.push(index === undefined ? (dotted ?? single ?? double)! : Number(index));
  }
  return steps;
}

/** The part of a JSON text that a path leads to; undefined where there is none. */
function partOf(text: string, path: string): unknown {
  let at: unknown;
  try {
    at = JSON.parse(text);
  } catch {
    return undefined;
  }
  for (const step of parseJsonPath(path) ?? []) {
    if (typeof step === 'number') at = Array.isArray(at) ? at.at(step) : undefined;
    else
      at =
        typeof at === 'object' && at !== null && !Array.isArray(at) && Object.hasOwn(at, step)
          ? Reflect.get(at, step)
          : undefined;
    if (at === undefined) return undefined;
  }
  return at;
}
