import { textOfBytes } from '../../core/answer.ts';
import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import type { Answer, AskOptions, Question, Questions } from '../../core/probe.ts';

export const questions: Questions = { kinds: ['command'] };

/**
 * Runs a command in a tree: what it prints is the answer, and it says by ending with another status than 0 that there
 * is none. `STASIS_PATH` is where the tree lies now, which before the release of a restore is not where it will.
 *
 * @param folder where it runs: the tree, or what a single file lies in
 */
export async function askTree(
  path: string,
  folder: string,
  host: Host,
  { words }: Question,
  { signal, timeoutMs }: AskOptions,
): Promise<Answer> {
  const { status, stdout } = await host.run(words, {
    ...{ signal, timeoutMs, cwd: folder },
    env: { STASIS_PATH: path },
  });
  if (status === 0) return { rows: [[textOfBytes(Buffer.from(stdout))]] };
  throw new StasisError('probe.command-failed', `The command "${words[0]}" ended with status ${status}.`, {
    hint: 'Run it by hand in the folder to see what it says.',
  });
}
