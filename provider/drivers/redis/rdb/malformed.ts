import { StasisError } from '../../../core/errors.ts';

/** An RDB that is not as it must be: cut short, damaged, or of a kind that this version does not know. */
export function malformed(what: string): StasisError {
  return new StasisError('redis.rdb-malformed', `The RDB cannot be read: ${what}.`, {
    hint: 'Capture again; if it stays so, the server writes a format that this version does not know.',
  });
}
