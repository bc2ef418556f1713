import { StasisError } from './errors.ts';

const NEWER = 'store.newer-format';
const OLDER = 'store.older-format';

/**
 * What is whole, and of a version that this Stasis does not read.
 * @param what Begins the sentence: `The snapshot`.
 * @throws StasisError `store.newer-format`, `store.older-format`
 */
export function refuseOtherFormat(what: string, version: number, known: number): void {
  if (version === known) return;
  const message = `${what} has format version ${version}; this Stasis knows ${known}.`;
  throw version > known
    ? new StasisError(NEWER, message, { hint: 'Use the version of Stasis that wrote it, or a newer one.' })
    : new StasisError(OLDER, message, {
        hint: 'Capture it anew, or restore it with the version of Stasis that wrote it.',
      });
}

/** Whether a part of a snapshot was refused for its version, which is no damage. */
export function isOtherFormat(error: unknown): boolean {
  return error instanceof StasisError && (error.code === NEWER || error.code === OLDER);
}
