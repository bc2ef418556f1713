import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Driver } from '../core/driver.ts';
import { StasisError } from '../core/errors.ts';
import type { Question } from '../core/probe.ts';
import { HTTP_QUESTION } from './http-question.ts';
import { QUESTIONS, questionOf } from './probes.ts';

/** It is read into memory, and kept in every snapshot. */
const MOST_BYTES = 16 * 1024 * 1024;

/** The requests of a file, in the kind that the driver answers; or what is wrong with it, placed at `file`. */
export async function readSampleFile(
  file: string,
  driver: Driver,
  database: unknown,
): Promise<readonly Question[] | StasisError> {
  const path = resolve(file);
  let text: string;
  try {
    if ((await stat(path)).size > MOST_BYTES)
      return wrong('sample.too-long', `The sample ${path} is larger than 16 MiB.`, 'Record fewer requests.');
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const { code = 'no reason was given' } = cause as NodeJS.ErrnoException;
    return wrong(
      'sample.unreadable',
      `The sample ${path} cannot be read (${code}).`,
      'Name a file of the machine on which the engine runs.',
    );
  }
  const questions: Question[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const request = line.trim();
    if (request === '' || request.startsWith('#')) continue;
    const question = questionOfLine(request, driver, database);
    if (question instanceof StasisError)
      return wrong(
        question.code,
        `Line ${index + 1} of the sample ${path} cannot be asked: ${question.message}`,
        question.hint,
      );
    questions.push(question);
  }
  if (questions.length > 0) return questions;
  return wrong('sample.empty', `The sample ${path} has no request.`, 'Write one a line.');
}

function questionOfLine(line: string, { questions }: Driver, database: unknown): Question | StasisError {
  const kinds = questions?.kinds ?? [];
  const isHttp = kinds.includes('http') && /^https?:/.test(line);
  const kind = isHttp ? 'http' : (kinds.find((one) => one !== 'http') ?? 'http');
  const said = kind === 'http' ? { url: line } : kind === 'sql' ? line : wordsOf(line);
  const parsed = (kind === 'http' ? HTTP_QUESTION : QUESTIONS[kind]).safeParse(said);
  if (!parsed.success) return wrong('sample.malformed', `${parsed.error.issues[0]!.message}.`);
  const question = questionOf(kind, said, database);
  return questions?.problem?.(question) ?? question;
}

/** Separated by blanks; one that has some, or is empty, stands between quotes, with escapes as in JSON between double ones. */
export function wordsOf(line: string): string[] {
  return [...line.matchAll(/"(?:[^"\\]|\\.)*"(?=\s|$)|'([^']*)'(?=\s|$)|\S+/g)].map(([word, plain]) => {
    if (plain !== undefined) return plain;
    if (!/^".*"$/.test(word) || word.length < 2) return word;
    try {
      return String(JSON.parse(word));
    } catch {
      return word;
    }
  });
}

function wrong(code: string, message: string, hint?: string): StasisError {
  return new StasisError(code, message, { hint, at: ['file'] });
}
