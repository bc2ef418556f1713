import type { Digest } from '../../core/digest.ts';
import { StasisError } from '../../core/errors.ts';

export function noSnapshot(name: string, digest?: Digest): StasisError {
  const which = digest === undefined ? `"${name}"` : `${name}@${digest}`;
  return new StasisError('store.no-snapshot', `The store has no snapshot ${which}.`, {
    hint: 'List what it has with "stasis list".',
  });
}

export function nameTaken(name: string): StasisError {
  return new StasisError(
    'store.name-taken',
    `The name "${name}" got another owner or another generation during the capture.`,
    { hint: 'Run it again.', at: ['name'] },
  );
}

export function malformedName(name: string): StasisError {
  return new StasisError('reference.malformed', `"${name}" is no name of a snapshot.`, {
    hint: 'Names have lower-case letters and digits, with single "-" or "." between them.',
    at: ['name'],
  });
}
