import type { Host } from '../core/host.ts';
import type { Answers, Questions } from '../core/probe.ts';
import { askCommand } from './command.ts';
import { askHttp } from './http.ts';

export const questions: Questions = { kinds: ['http', 'command'] };

/**
 * Answers of programs that run on a host.
 *
 * @param network the file that stands for the network namespace in which they listen
 * @param enter what has a command run among them, put before it
 */
export function runningAnswers(host: Host, network: string, enter: readonly string[]): Answers {
  return {
    answer: ({ http, words }, options) =>
      http === undefined
        ? askCommand(host, words, { enter }, options)
        : askHttp(http, host, network, options),
  };
}

/** Among the processes of a tree: with their files, network and numbers. */
export function enterTree(pid: number): string[] {
  return ['nsenter', `--target=${pid}`, '--mount', '--net', '--pid', '--ipc', '--uts', '--wd=/', '--'];
}
