import type { Host } from '../core/host.ts';
import type { Answers, AskingSession, Questions } from '../core/probe.ts';
import { askCommand, type CommandPlace } from './command.ts';
import { askHttp, enterNetwork } from './http.ts';

export const questions: Questions = { kinds: ['http', 'command'] };

/**
 * Answers of programs that run on a host.
 *
 * @param network the file that stands for the network namespace in which they listen
 * @param enter what has a command run among them, put before it
 */
export function runningAnswers(host: Host, network: string, enter: readonly string[]): Answers {
  const answer: Answers['answer'] = ({ http, words }, options) =>
    http === undefined ? askCommand(host, words, { enter }, options) : askHttp(http, host, network, options);
  return {
    answer,
    open: async ({ http }) =>
      askingAnew(answer, http === undefined ? { enter } : { enter: enterNetwork(network) }, host),
  };
}

/**
 * Where each question is asked by a program of its own: what starting one takes is the line's.
 *
 * @param place where they run
 */
export function askingAnew(answer: Answers['answer'], place: CommandPlace, host: Host): AskingSession {
  return {
    ask: async (question, options) => {
      await answer(question, options);
    },
    /** A container may not have it: to find that out takes as long. */
    idle: async (options) => {
      const { enter = [], ...where } = place;
      await host.run([...enter, 'true'], { ...options, ...where });
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

/** Among the processes of a tree: with their files, network and numbers. */
export function enterTree(pid: number): string[] {
  return ['nsenter', `--target=${pid}`, '--mount', '--net', '--pid', '--ipc', '--uts', '--wd=/', '--'];
}
