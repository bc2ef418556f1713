import type { Host } from '../../core/host.ts';
import type { Answer, Answers, AskOptions, Question, Questions } from '../../core/probe.ts';
import { askingAnew } from '../../runtime/answers.ts';
import { askCommand } from '../../runtime/command.ts';
import type { TreeAccess } from './access.ts';
import { folderOf } from './place.ts';

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

/** @param pathOf where the tree lies when it is asked */
export function treeAnswers(pathOf: () => string, access: TreeAccess): Answers {
  const answer: Answers['answer'] = async (question, options) => {
    const path = pathOf();
    return askTree(path, await folderOf(path, access), access.host, question, options);
  };
  return {
    answer,
    open: async () => askingAnew(answer, { cwd: await folderOf(pathOf(), access) }, access.host),
  };
}
