import { StasisError } from '../core/errors.ts';
import { atMember } from './member.ts';
import type { Loaded } from './restore.ts';

/** The code of the one error after which some targets run and others do not. */
export const RELEASE_FAILED = 'restore.release-failed';

/** All together. A release that fails cannot take the others back, so all are tried and the error names those that failed. */
export async function releaseAll(loaded: readonly Loaded[]): Promise<void> {
  const failed: string[] = [];
  let first: unknown;
  await Promise.all(
    loaded.map(async ({ member, held }) => {
      try {
        await held.release();
      } catch (error) {
        failed.push(member.name);
        first ??= atMember(member, error);
      }
    }),
  );
  if (failed.length === 0) return;
  if (failed.length === loaded.length) throw first;
  throw new StasisError(
    RELEASE_FAILED,
    `Of the restored members, ${failed.join(', ')} could not be released; the others run.`,
    {
      hint: 'Apply again: what is restored already is kept, and the rest is tried again.',
      at: ['members', failed[0]!],
      cause: first,
    },
  );
}
