import {
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseAllDocuments,
  visit,
} from 'yaml';
import { type Place, StasisError } from '../../../core/errors.ts';
import type { Values } from '../../../core/resource.ts';
import { type Environment, substitute } from './environment.ts';

/** A place in a user's file; the first line and column are 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** The inputs that a YAML file holds, and where in it each of them stands. */
export interface InputDocument {
  readonly file: string;
  readonly values: Values;
  /** Of the attribute at a place, or of the innermost one around it that the file has. */
  positionOf(at: Place): Position;
}

/** Aliases may not blow a small file up to a large value. */
const MAX_ALIASES = 100;

/**
 * Reads inputs from YAML text: one document, a map. `${NAME}` within a value is replaced by the environment's variable,
 * so that no password need be in the file; `$${NAME}` stands for the text itself. Substitution comes after parsing: a
 * variable is only ever text within its value.
 *
 * @throws StasisError `document.malformed`, `document.variable-missing`, with `details.position`
 */
export function parseDocument(text: string, file: string, environment: Environment): InputDocument {
  const counter = new LineCounter();
  const position = (offset: number): Position => {
    const { line, col } = counter.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const documents = parseAllDocuments(text, { lineCounter: counter, prettyErrors: false, uniqueKeys: true });
  const first = 'empty' in documents ? undefined : documents[0];
  if (first === undefined || first.contents === null) throw malformed('The file is empty.', position(0));
  const [fault] = [...first.errors, ...first.warnings];
  if (fault) throw malformed(`This is not YAML: ${sentence(fault.message)}`, position(fault.pos[0]));
  const second = documents[1];
  if (second) throw malformed('The file has more than one document.', position(second.range[0]));
  const root: ParsedNode = first.contents;
  if (!isMap(root))
    throw malformed('The file has to be a map of inputs, like "name: shop".', position(offsetOf(root)));
  visit(first, {
    Scalar(key, node) {
      if (key === 'key' || typeof node.value !== 'string') return;
      node.value = substitute(node.value, environment, () => position(offsetOf(node)));
    },
    Alias(_key, node) {
      if (node.resolve(first) === undefined)
        throw malformed('An alias has nothing before it to stand for.', position(offsetOf(node)));
    },
  });
  const values = plainValue(() => first.toJS({ maxAliasCount: MAX_ALIASES }), position(0));
  return { file, values, positionOf: (at) => position(offsetAt(root, at)) };
}

function plainValue(toJs: () => unknown, position: Position): Values {
  try {
    return toJs() as Values;
  } catch {
    throw malformed('Its aliases repeat each other too often.', position);
  }
}

function offsetOf(node: Node): number {
  return node.range?.[0] ?? 0;
}

/** Where the attribute's name, or the list's item, begins. */
function offsetAt(root: Node, at: Place): number {
  let offset = offsetOf(root);
  let node: unknown = root;
  for (const step of at) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === step);
      if (!isPair(pair)) return offset;
      if (isNode(pair.key)) offset = offsetOf(pair.key);
      node = pair.value;
    } else if (isSeq(node)) {
      const item = node.items[Number(step)];
      if (!isNode(item)) return offset;
      offset = offsetOf(item);
      node = item;
    } else return offset;
  }
  return offset;
}

/** What the parser quotes after a colon may be a part of a password, so it goes. */
function sentence(message: string): string {
  return `${message.split(/[:\n]/)[0]!.trim()}.`;
}

function malformed(message: string, position: Position): StasisError {
  return new StasisError('document.malformed', message, { details: { position } });
}
