import { StasisError } from '../../core/errors.ts';
import type { Care } from './access.ts';
import { type Entry, signatureOf } from './entry.ts';
import { textOfPath } from './path-text.ts';

/** The file was no longer what an earlier look had shown. */
export class Changed extends Error {
  constructor() {
    super('changed while it was read');
    this.name = 'Changed';
  }
}

export function accepts(care: Care, expected: Entry, actual: Entry): boolean {
  return care === 'moving' || signatureOf(expected) === signatureOf(actual);
}

/** How many places a message names; the rest are counted. */
const NAMED = 5;

export function nameSome(paths: readonly Buffer[]): string {
  const named = paths.slice(0, NAMED).map((path) => (path.length === 0 ? '.' : textOfPath(path)));
  return paths.length > NAMED ? `${named.join(', ')} and ${paths.length - NAMED} more` : named.join(', ');
}

export function unreadable(paths: readonly Buffer[]): StasisError {
  return new StasisError('files.unreadable', `These must not be read: ${nameSome(paths)}.`, {
    hint: 'Run as a user that may read all of it, or leave it out with exclude.',
    at: ['path'],
  });
}
