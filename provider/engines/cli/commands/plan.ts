import { EXIT, type ExitStatus } from '../exit.ts';
import { type Invocation, placing, planOf, readInputs, resourceOf } from '../invocation.ts';
import { type PlanView, renderPlan } from '../planning.ts';

const RESOURCES = { capture: 'Snapshot', restore: 'Restore', drill: 'Drill' } as const;

/**
 * What a capture would do, reading only; or a restore, where the file names a snapshot or the command line does; or a
 * drill, where the file says who signs.
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
  // A Drill is what a Restore is, and signs.
  const action =
    inputs.values.snapshot === undefined ? 'capture' : inputs.values.sign === undefined ? 'restore' : 'drill';
  return placing(inputs, async () => {
    const resource = resourceOf(invocation, RESOURCES[action], inputs.configuration);
    const { problems, estimate } = await planOf(invocation, resource, inputs);
    const deed = `${action} ${(action === 'capture' ? inputs.values.name : inputs.values.snapshot) ?? ''}`;
    const view: PlanView = { deed, estimate, problems };
    const isReady = problems.every(({ severity }) => severity !== 'error');
    const values = {
      action,
      ready: isReady,
      ...(estimate ? { estimate } : {}),
      problems: problems.map((problem) => invocation.output.jsonOf(problem)),
    };
    invocation.output.result(values, (look) => renderPlan(view, look));
    return isReady ? EXIT.done : EXIT.refused;
  });
}
