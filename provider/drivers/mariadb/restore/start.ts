import type { Context } from '../../../core/context.ts';
import type { Held, RestoreOptions } from '../../../core/driver.ts';
import type { Host } from '../../../core/host.ts';
import type { MemberCapture } from '../../../core/manifest.ts';
import type { BlobReader } from '../../../core/store.ts';
import { parsePlace } from '../connect/place.ts';
import { parseContent, readIndex } from '../content.ts';
import type { MariadbSpec } from '../spec.ts';
import { BesideHeld } from './beside.ts';
import { targetProblems } from './plan-restore.ts';
import { lookAtTarget, notEmpty, type Target } from './target.ts';

/** Loads into databases beside the target's, and keeps them there until release. */
export async function restore(
  spec: MariadbSpec,
  at: Host,
  from: MemberCapture,
  blobs: BlobReader,
  options: RestoreOptions,
  context: Context,
): Promise<Held> {
  const content = parseContent(from);
  const place = parsePlace(spec.url, at);
  const target = await lookAtTarget(spec, place, content, context.signal);
  const problem = targetProblems(target, content, from).find(({ severity }) => severity === 'error');
  if (problem) throw problem;
  insistOnEmptiness(target, options);
  const indexes = await Promise.all(content.databases.map((captured) => readIndex(blobs, captured)));
  const held = new BesideHeld({ spec, place, target, indexes, blobs, options, context });
  try {
    await held.load();
    return held;
  } catch (error) {
    await held[Symbol.asyncDispose]();
    throw error;
  }
}

function insistOnEmptiness(target: Target, options: RestoreOptions): void {
  const full = target.destinations.filter(({ empty }) => !empty);
  if (full.length === 0 || options.overwrite) return;
  throw notEmpty(full.map(({ name }) => name));
}
