import type { Host } from '../../core/host.ts';
import type { Answer, AskOptions, Question, Questions } from '../../core/probe.ts';
import { askCommand } from '../../runtime/command.ts';

export const questions: Questions = { kinds: ['command'] };

/**
 * Runs a command in a tree. `STASIS_PATH` is where the tree lies now, which before the release of a restore is not where
 * it will.
 *
 * @param folder where it runs: the tree, or what a single file lies in
 */
export function askTree(
  path: string,
  folder: string,
  host: Host,
  { words }: Question,
  options: AskOptions,
): Promise<Answer> {
  return askCommand(host, words, { cwd: folder, env: { STASIS_PATH: path } }, options);
}
