import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { StasisError } from '../../../core/errors.ts';
import { type InputDocument, type Position, parseDocument } from './document.ts';
import type { Environment } from './environment.ts';

/** Inputs are written by hand: a larger file is another one than was meant. */
const MAX_FILE_BYTES = 1_048_576;

export interface DocumentSource {
  readonly cwd: string;
  readonly env: Environment;
  /** All of standard input, for `-f -`. */
  readStdin(): Promise<string>;
}

/** @throws StasisError `document.unreadable`, and what `parseDocument` throws */
export async function readDocument(path: string, source: DocumentSource): Promise<InputDocument> {
  const text = path === '-' ? await source.readStdin() : await readText(resolve(source.cwd, path), path);
  return parseDocument(text, path === '-' ? '(standard input)' : path, source.env);
}

async function readText(file: string, shown: string): Promise<string> {
  try {
    const found = await stat(file);
    if (found.size > MAX_FILE_BYTES) throw new RangeError(`it is larger than ${MAX_FILE_BYTES} bytes`);
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new StasisError('document.unreadable', `The file ${shown} cannot be read: ${reasonOf(cause)}.`, {
      hint: 'Name a YAML file of inputs with -f, or - for standard input.',
      cause,
    });
  }
}

function reasonOf(cause: unknown): string {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return 'it is not there';
  if (code === 'EACCES') return 'permission is denied';
  if (code === 'EISDIR') return 'it is a folder';
  return cause instanceof Error ? cause.message : String(cause);
}

/** The error with the line of the user's file that it concerns, unless that input came from the command line. */
export function placed(
  error: StasisError,
  document: InputDocument,
  fromArguments: ReadonlySet<string>,
): StasisError {
  const [attribute] = error.at;
  if (attribute === undefined || fromArguments.has(attribute) || error.details.position !== undefined)
    return error;
  return new StasisError(error.code, error.message, {
    hint: error.hint,
    at: error.at,
    severity: error.severity,
    details: { ...error.details, position: document.positionOf(error.at) },
    cause: error,
  });
}

/** Where in a user's file an error belongs, if it was placed. */
export function positionOf(error: StasisError): Position | undefined {
  return error.details.position as Position | undefined;
}
