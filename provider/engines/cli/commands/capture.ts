import type { Context, ProgressEvent } from '../../../core/context.ts';
import type { StasisError } from '../../../core/errors.ts';
import { parseReference } from '../../../core/reference.ts';
import type { Values } from '../../../core/resource.ts';
import type { Store } from '../../../core/store.ts';
import { nsToMs } from '../../../core/units.ts';
import { openStore } from '../../../resources/stores.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { defaultsOf, type Invocation, insistOnPlan, placing, readInputs, resourceOf } from '../invocation.ts';
import { renderAsked } from '../probes.ts';
import { renderTimeline } from '../timeline.ts';

/** What a fresh apply of this Snapshot would do: the next generation, each time. `adopt` takes over another's name. */
export async function capture(
  invocation: Invocation,
  options: { readonly file: string; readonly adopt?: boolean },
): Promise<ExitStatus> {
  const inputs = await readInputs(invocation, options.file, resourceOf(invocation, 'Snapshot').inputs);
  const snapshot = resourceOf(invocation, 'Snapshot', inputs.configuration);
  await placing(inputs, async () => {
    const isTaken = (error: StasisError): boolean => options.adopt === true && error.code === 'store.owned';
    const taken = await insistOnPlan(invocation, snapshot, inputs, isTaken);
    if (taken.length > 0) await adopt(invocation, inputs.values);
    const copy = new CopyClock(invocation.context);
    const { outputs } = await snapshot.apply({ inputs: inputs.values }, copy.context);
    const draw = invocation.options.json ? undefined : await openSealed(invocation, inputs.values, outputs);
    invocation.output.result(outputs, (look) =>
      draw === undefined
        ? ''
        : renderTimeline(draw.manifest, { ...look, digest: draw.digest, copyMs: copy.copyMs }) +
          renderAsked(outputs, look),
    );
  });
  return EXIT.done;
}

/** As an import in the other engines: from now on the generations of this name are the command line's. */
async function adopt(invocation: Invocation, inputs: Values): Promise<void> {
  const store = await storeOf(invocation, inputs);
  await store.adopt(String(inputs.name), invocation.services.owner);
}

/** The picture is drawn from what was sealed, read back from the store. */
async function openSealed(invocation: Invocation, inputs: Values, outputs: Values) {
  const { name, digest } = parseReference(String(outputs.reference));
  return (await storeOf(invocation, inputs)).open(name, digest!, invocation.context);
}

function storeOf(invocation: Invocation, inputs: Values): Promise<Store> {
  return openStore(invocation.services, defaultsOf(invocation), inputs.store, invocation.context);
}

/** How long copying took, from the first byte to the first fingerprint: some is copied before the cut. */
class CopyClock {
  readonly context: Context;
  copyMs: number | undefined;
  private startedNs: number | undefined;

  constructor(context: Context) {
    this.context = { ...context, progress: (event) => this.note(event, context) };
  }

  private note(event: ProgressEvent, { clock, progress }: Context): void {
    if (event.doneBytes !== undefined) this.startedNs ??= clock.nowNs();
    if (event.step === 'fingerprint' && this.startedNs !== undefined)
      this.copyMs = nsToMs(clock.nowNs() - this.startedNs);
    progress(event);
  }
}
