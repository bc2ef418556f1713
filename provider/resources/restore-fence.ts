import { z } from 'zod';
import { FINAL_NAME, fencedRestore, planFence } from '../coordinator/fence.ts';
import { type LostWork, lostWork, originalProblems } from '../coordinator/lost-work.ts';
import { measureWarmth, releasedMembers } from '../coordinator/measured-warmth.ts';
import { throwFirstError } from '../coordinator/plan.ts';
import { type RestoreResult, restore } from '../coordinator/restore.ts';
import type { RestoreRequest } from '../coordinator/restore-plan.ts';
import type { Context } from '../core/context.ts';
import { StasisError } from '../core/errors.ts';
import type { Values } from '../core/resource.ts';
import type { SampleWarmth } from '../core/sample.ts';
import { originalsOf } from './originals.ts';
import { warmWithinMsOf } from './restore-warmth.ts';
import type { Services } from './services.ts';

export const FENCE_INPUT = z
  .boolean()
  .optional()
  .describe(
    'Move for good, so that nothing is lost and nothing done twice: the originals are stopped (stores refuse writes, what runs is frozen), a final photograph is taken of them and restored in place of the snapshot, and reference names it. Whatever fails before the release lifts the fence; after it the fence stays. false unless said.',
  );

export const ORIGINAL_SUMMARY =
  'With fence all of them are fenced. Without it those that are named are read once more after the restore, and lostWork says what they have done since the cut.';

/** What is wrong with these two inputs that shows in them alone. */
export function fenceProblems(services: Services, inputs: Values): StasisError[] {
  const { problems } = originalsOf(services, inputs);
  const missing = inputs.original === undefined || inputs.original === null;
  if (inputs.fence !== true || !missing) return problems;
  return [
    new StasisError('fence.no-original', 'A fence has to be told where the originals are.', {
      hint: "Name them under original, as the Snapshot's members name them.",
      at: ['original'],
    }),
  ];
}

/** What keeps the originals from being fenced, or from being told; nothing where they are not all known yet. */
export async function checkOriginals(
  services: Services,
  request: RestoreRequest,
  inputs: Values,
  context: Context,
): Promise<StasisError[]> {
  const { originals, complete } = originalsOf(services, inputs);
  if (!complete) return [];
  return inputs.fence === true
    ? planFence(request, originals, context)
    : originalProblems(request.snapshot, originals);
}

interface Restored {
  readonly result: RestoreResult;
  /** What was restored: the final photograph where there was a fence. */
  readonly from: { readonly name: string; readonly digest: `sha256:${string}` };
  /** Of the originals that were named, by member: none where they were fenced. */
  readonly lost: Readonly<Record<string, LostWork>>;
  /** By sample, where that was asked for. */
  readonly measured: Readonly<Record<string, SampleWarmth>>;
}

export async function restoreAsAsked(
  services: Services,
  request: RestoreRequest,
  inputs: Values,
  context: Context,
): Promise<Restored> {
  const { snapshot } = request;
  const [problem] = fenceProblems(services, inputs);
  if (problem) throw problem;
  const { originals } = originalsOf(services, inputs);
  if (inputs.fence === true) {
    const result = await fencedRestore(request, originals, context);
    return {
      result,
      from: result.final,
      lost: {},
      measured: await measured(request, result, inputs, context),
    };
  }
  throwFirstError(originalProblems(snapshot, originals));
  const result = await restore(request, context);
  // At once, as it is about what comes right after the release.
  const warmth = await measured(request, result, inputs, context);
  const lost = await lostWork(snapshot, originals, context);
  return { result, from: { name: snapshot.name, digest: snapshot.digest }, lost, measured: warmth };
}

/** By the samples of the snapshot that was named: a final photograph has none. */
async function measured(
  { snapshot, members }: RestoreRequest,
  { releasedNs }: RestoreResult,
  inputs: Values,
  context: Context,
): Promise<Restored['measured']> {
  const withinMs = warmWithinMsOf(inputs);
  if (withinMs === undefined) return {};
  const sinceNs = releasedNs ?? context.clock.nowNs();
  const answersOf = releasedMembers(snapshot, members, context);
  return measureWarmth(snapshot, { sinceNs, withinMs, answersOf }, context);
}

/** The id of the restore whose final photograph has that name; undefined for any other snapshot. */
export function fencedIdOf(name: string): string | undefined {
  return FINAL_NAME.exec(name)?.[1];
}
