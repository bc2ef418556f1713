import { StasisError } from '../../../core/errors.ts';
import {
  compareSides,
  runningSide,
  type Side,
  sidesOutputs,
  snapshotSide,
} from '../../../resources/comparison-sides.ts';
import { resolveReference } from '../../../resources/lookup.ts';
import { withHosts } from '../../../resources/services.ts';
import { openStore } from '../../../resources/stores.ts';
import { EXIT, type ExitStatus, Refusal } from '../exit.ts';
import {
  defaultsOf,
  type GivenInputs,
  type Invocation,
  openDefaultStore,
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

/** Two snapshots, a snapshot and the application that runs now, or two applications that run. */
export async function compare(
  invocation: Invocation,
  references: readonly string[],
  files: readonly string[],
): Promise<ExitStatus> {
  if (references.length + files.length !== 2)
    throw new Refusal([
      new StasisError('usage.two-sides', 'A comparison has two sides.', {
        hint: 'Write stasis compare REF REF, stasis compare REF -f app.yaml, or stasis compare -f app.yaml -f twin.yaml.',
      }),
    ]);
  const { inputs: schema } = resourceOf(invocation, 'Snapshot');
  const given: GivenInputs[] = [];
  for (const file of files) given.push(await readInputs(invocation, file, schema));
  const sides: Side[] = [];
  for (const text of references) sides.push(await storedSide(invocation, text, given[0]));
  for (const inputs of given) sides.push(await givenSide(invocation, inputs));
  const [left, right] = sides as [Side, Side];
  const outputs = sidesOutputs(left, right, await compareSides(left, right, invocation.context));
  const view = outputs as unknown as ComparisonView;
  invocation.output.result(outputs, (look) => renderVerdict(titleOf(view), view, look));
  return view.verdict === 'drifted' ? EXIT.drifted : EXIT.done;
}

/** Of the store that the file of the other side names, where there is one. */
async function storedSide(
  invocation: Invocation,
  text: string,
  beside: GivenInputs | undefined,
): Promise<Side> {
  const { services, context } = invocation;
  const open = async (): Promise<Side> => {
    const store =
      beside === undefined
        ? await openDefaultStore(invocation)
        : await refusing(() => openStore(services, defaultsOf(invocation), beside.values.store, context));
    await refusing(() => resolveReference(store, text));
    return snapshotSide(services, store, text, context);
  };
  return beside === undefined ? open() : placing(beside, open);
}

/** What goes wrong with a member, also later, is told at the line of its own file. */
function givenSide(invocation: Invocation, inputs: GivenInputs): Promise<Side> {
  const seen = withHosts(invocation.services, inputs.configuration);
  return placing(inputs, async () => {
    const { name, comparable } = runningSide(seen, inputs.values, invocation.context);
    const open: Side['comparable']['open'] = (member) => placing(inputs, () => comparable.open(member));
    return { name, comparable: { ...comparable, open } };
  });
}

/** Digests are cut to what tells them apart: both sides stand in one line. */
function titleOf({ left, right }: ComparisonView): string {
  const short = (reference: string): string => reference.replace(/(sha256:[0-9a-f]{12})[0-9a-f]+$/, '$1');
  if (left === 'running') return 'two applications that run now';
  return `${short(left)} against ${right === 'running' ? 'what runs now' : short(right)}`;
}
