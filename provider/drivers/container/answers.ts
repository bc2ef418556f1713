import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import type { Answers, Question } from '../../core/probe.ts';
import { runningAnswers } from '../../runtime/answers.ts';
import type { LookedContainer } from './look.ts';

/**
 * Of one container, or of a pod, whose containers share a network. A command runs as podman has it, with the rights of
 * the container and its files, and so in one container alone.
 */
export function containerAnswers(host: Host, containers: readonly LookedContainer[]): Answers {
  const [{ container }] = containers as [LookedContainer];
  const enter = ['podman', 'exec', container.Id];
  const answers = runningAnswers(host, `/proc/${container.State.Pid}/ns/net`, enter);
  const insistOnOne = ({ kind }: Question): void => {
    if (kind === 'command' && containers.length > 1)
      throw new StasisError(
        'probe.several-containers',
        'A command runs in one container, and the pod has several.',
        { hint: 'Ask the pod by http.', at: ['command'] },
      );
  };
  return {
    async answer(question, options) {
      insistOnOne(question);
      return answers.answer(question, options);
    },
    async open(first, signal) {
      insistOnOne(first);
      return answers.open!(first, signal);
    },
  };
}
