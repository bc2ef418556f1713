import { lstatSync } from 'node:fs';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { ifThere, isCode } from './system-calls.ts';

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
export async function restoredBy(sidecar: string, path: string): Promise<string | undefined> {
  const here = identify(path);
  return (await readSidecar(sidecar)).find((known) => here !== undefined && isSame(known, here))?.restoreId;
}

/** Adds that `tree`, wherever it is now, was made by a restore; durable on return. */
export async function remember(sidecar: string, restoreId: string, tree: string): Promise<void> {
  const here = identify(tree);
  if (here === undefined) return;
  const others = (await readSidecar(sidecar)).filter((known) => known.restoreId !== restoreId);
  await writeSidecar(sidecar, [...others, { restoreId, ...here }]);
}

/** Keeps only what is true of what now stands at `path`; no file at all where nothing is. */
export async function forgetOthers(sidecar: string, path: string): Promise<void> {
  const known = await readSidecar(sidecar);
  const here = identify(path);
  const kept = known.filter((entry) => here !== undefined && isSame(entry, here));
  if (kept.length === 0) await rm(sidecar, { force: true });
  else if (kept.length < known.length) await writeSidecar(sidecar, kept);
}

function identify(path: string): Omit<Remembered, 'restoreId'> | undefined {
  const stats = ifThere(() => lstatSync(path, { bigint: true }));
  return stats && { dev: String(stats.dev), ino: String(stats.ino), birthNs: String(stats.birthtimeNs) };
}

function isSame(known: Omit<Remembered, 'restoreId'>, here: Omit<Remembered, 'restoreId'>): boolean {
  return known.dev === here.dev && known.ino === here.ino && known.birthNs === here.birthNs;
}

/** What cannot be read as ours remembers nothing. */
async function readSidecar(sidecar: string): Promise<Remembered[]> {
  const text = await readFile(sidecar, 'utf8').catch((error: unknown) => {
    if (isCode(error, 'ENOENT', 'EACCES')) return undefined;
    throw error;
  });
  try {
    return text === undefined ? [] : sidecarSchema.parse(JSON.parse(text)).restores;
  } catch {
    return [];
  }
}

async function writeSidecar(sidecar: string, restores: readonly Remembered[]): Promise<void> {
  const temporary = `${sidecar}.new`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(JSON.stringify({ formatVersion: 1, restores }));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, sidecar);
  await syncFolder(dirname(sidecar));
}

/** Makes renames in a folder survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
