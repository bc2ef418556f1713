import { StasisError } from '../../../core/errors.ts';
import type { Values } from '../../../core/resource.ts';
import { compareSnapshots, compareWithRunning } from '../../../resources/comparison.ts';
import { resolveReference } from '../../../resources/lookup.ts';
import { withHosts } from '../../../resources/services.ts';
import { openStore } from '../../../resources/stores.ts';
import { EXIT, type ExitStatus, Refusal } from '../exit.ts';
import {
  defaultsOf,
  find,
  type Invocation,
  placing,
  readInputs,
  refusing,
  resourceOf,
} from '../invocation.ts';
import { renderVerdict, type VerdictView } from '../verdict.ts';

interface ComparisonView extends VerdictView {
  readonly left: string;
  readonly right: string;
}

/** Two snapshots, or a snapshot and the application that runs now. */
export async function compare(
  invocation: Invocation,
  left: string,
  right: string | undefined,
  options: { readonly file?: string },
): Promise<ExitStatus> {
  if ((right === undefined) === (options.file === undefined))
    throw new Refusal([
      new StasisError('usage.two-sides', 'A comparison has two sides.', {
        hint: 'Write stasis compare REF REF, or stasis compare REF -f app.yaml.',
      }),
    ]);
  const outputs =
    right === undefined
      ? await withRunning(invocation, left, options.file!)
      : await stored(invocation, left, right);
  const view = outputs as unknown as ComparisonView;
  invocation.output.result(outputs, (look) => renderVerdict(titleOf(view), view, look));
  return view.verdict === 'drifted' ? EXIT.drifted : EXIT.done;
}

async function stored(invocation: Invocation, left: string, right: string): Promise<Values> {
  const { store } = await find(invocation, left);
  await refusing(() => resolveReference(store, right));
  return compareSnapshots(store, left, right, invocation.context);
}

async function withRunning(invocation: Invocation, left: string, file: string): Promise<Values> {
  const { services, context } = invocation;
  const inputs = await readInputs(invocation, file, resourceOf(invocation, 'Snapshot').inputs);
  return placing(inputs, async () => {
    const store = await refusing(() =>
      openStore(services, defaultsOf(invocation), inputs.values.store, context),
    );
    await refusing(() => resolveReference(store, left));
    const seen = withHosts(services, inputs.configuration);
    return compareWithRunning(seen, store, left, inputs.values.members, context);
  });
}

/** Digests are cut to what tells them apart: both sides stand in one line. */
function titleOf({ left, right }: ComparisonView): string {
  const short = (reference: string): string => reference.replace(/(sha256:[0-9a-f]{12})[0-9a-f]+$/, '$1');
  return `${short(left)} against ${right === 'running' ? 'what runs now' : short(right)}`;
}
