import { EXIT, type ExitStatus } from '../exit.ts';
import { type Invocation, placing, planOf, readInputs, resourceOf } from '../invocation.ts';
import { type PlanView, renderPlan } from '../planning.ts';

/**
 * What a capture would do, reading only; or a restore, where the file names a snapshot or the command line does.
 * All problems, not only the first.
 */
export async function plan(
  invocation: Invocation,
  reference: string | undefined,
  options: { readonly file: string },
): Promise<ExitStatus> {
  const given = reference === undefined ? {} : { snapshot: reference };
  const { inputs: schema } = resourceOf(invocation, 'Snapshot');
  const inputs = await readInputs(invocation, options.file, schema, given);
  const isRestore = inputs.values.snapshot !== undefined;
  return placing(inputs, async () => {
    const resource = resourceOf(invocation, isRestore ? 'Restore' : 'Snapshot', inputs.configuration);
    const { problems, estimate } = await planOf(invocation, resource, inputs);
    const deed = isRestore ? `restore ${inputs.values.snapshot}` : `capture ${inputs.values.name ?? ''}`;
    const view: PlanView = { deed, estimate, problems };
    const isReady = problems.every(({ severity }) => severity !== 'error');
    const values = {
      action: isRestore ? 'restore' : 'capture',
      ready: isReady,
      ...(estimate ? { estimate } : {}),
      problems: problems.map((problem) => invocation.output.jsonOf(problem)),
    };
    invocation.output.result(values, (look) => renderPlan(view, look));
    return isReady ? EXIT.done : EXIT.refused;
  });
}
