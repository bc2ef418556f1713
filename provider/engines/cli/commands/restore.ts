import { StasisError } from '../../../core/errors.ts';
import { EXIT, type ExitStatus, Refusal } from '../exit.ts';
import { type Invocation, insistOnPlan, placing, readInputs, resourceOf } from '../invocation.ts';
import { renderVerdict, type VerdictView } from '../verdict.ts';

export interface RestoreOptions {
  readonly file: string;
  /** The input of that name. */
  readonly report?: string;
}

/** What a fresh apply of this Restore would do. */
export async function restore(
  invocation: Invocation,
  reference: string | undefined,
  options: RestoreOptions,
): Promise<ExitStatus> {
  const given = {
    ...(reference === undefined ? {} : { snapshot: reference }),
    ...(options.report === undefined ? {} : { report: options.report }),
  };
  const { inputs: schema } = resourceOf(invocation, 'Restore');
  const inputs = await readInputs(invocation, options.file, schema, given);
  const definition = resourceOf(invocation, 'Restore', inputs.configuration);
  return placing(inputs, async () => {
    if (inputs.values.snapshot === undefined)
      throw new Refusal([
        new StasisError('usage.no-snapshot', 'No snapshot is named.', {
          hint: 'Write stasis restore REF -f target.yaml, or set snapshot in the file.',
        }),
      ]);
    await insistOnPlan(invocation, definition, inputs);
    const { outputs } = await definition.apply({ inputs: inputs.values }, invocation.context);
    const view = outputs as unknown as VerdictView & { readonly reference: string };
    invocation.output.result(outputs, (look) => renderVerdict(view.reference, view, look));
    return view.verdict === 'drifted' ? EXIT.drifted : EXIT.done;
  });
}
