import { join } from 'node:path';
import { z } from 'zod';
import type { Steps } from './access.ts';

/**
 * What a target remembers of the restore that filled it. It stands beside the target, never in it, and is written
 * before the restored tree takes the target's place: it names the tree by inode and time of birth, and so comes true
 * by the one rename that swaps it in, and is void once another tree stands there.
 */
const sidecarSchema = z.strictObject({
  formatVersion: z.literal(1),
  restores: z.array(
    z.strictObject({ restoreId: z.string(), dev: z.string(), ino: z.string(), birthNs: z.string() }),
  ),
});
type Remembered = z.infer<typeof sidecarSchema>['restores'][number];

export function sidecarPath(parent: string, base: string): string {
  return join(parent, `.${base}.stasis-restore.json`);
}

/** The id of the restore that made what now stands at `path`. */
export async function restoredBy(sidecar: string, path: string, steps: Steps): Promise<string | undefined> {
  const here = await identify(path, steps);
  return (await readSidecar(sidecar, steps)).find((known) => here !== undefined && isSame(known, here))
    ?.restoreId;
}

/** Adds that `tree`, wherever it is now, was made by a restore; durable on return. */
export async function remember(
  sidecar: string,
  restoreId: string,
  tree: string,
  steps: Steps,
): Promise<void> {
  const here = await identify(tree, steps);
  if (here === undefined) return;
  const others = (await readSidecar(sidecar, steps)).filter((known) => known.restoreId !== restoreId);
  await writeSidecar(sidecar, [...others, { restoreId, ...here }], steps);
}

/** Keeps only what is true of what now stands at `path`; no file at all where nothing is. */
export async function forgetOthers(sidecar: string, path: string, steps: Steps): Promise<void> {
  const known = await readSidecar(sidecar, steps);
  const here = await identify(path, steps);
  const kept = known.filter((entry) => here !== undefined && isSame(entry, here));
  if (kept.length === 0) await steps.removeFile(sidecar);
  else if (kept.length < known.length) await writeSidecar(sidecar, kept, steps);
}

async function identify(path: string, steps: Steps): Promise<Omit<Remembered, 'restoreId'> | undefined> {
  const found = await steps.standing(path);
  return found && { dev: String(found.dev), ino: String(found.ino), birthNs: String(found.birthNs) };
}

function isSame(known: Omit<Remembered, 'restoreId'>, here: Omit<Remembered, 'restoreId'>): boolean {
  return known.dev === here.dev && known.ino === here.ino && known.birthNs === here.birthNs;
}

/** What cannot be read as ours remembers nothing. */
async function readSidecar(sidecar: string, steps: Steps): Promise<Remembered[]> {
  const text = await steps.readText(sidecar);
  try {
    return text === undefined ? [] : sidecarSchema.parse(JSON.parse(text)).restores;
  } catch {
    return [];
  }
}

function writeSidecar(sidecar: string, restores: readonly Remembered[], steps: Steps): Promise<void> {
  return steps.writeText(sidecar, JSON.stringify({ formatVersion: 1, restores }));
}
