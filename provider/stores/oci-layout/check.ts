import { constants } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { StasisError } from '../../core/errors.ts';
import { formatBytes } from '../../core/units.ts';
import { diskError } from './disk-error.ts';
import { isCode } from './durable.ts';

/** What would keep `sizeBytes` from being written below `root`, which may not be there yet. Makes nothing. */
export async function checkFolder(root: string, sizeBytes: number): Promise<readonly StasisError[]> {
  try {
    const existing = await nearest(root);
    if (!(await stat(existing)).isDirectory()) return [notAFolder(root, existing)];
    await access(existing, constants.W_OK | constants.X_OK | constants.R_OK);
    const { bavail, bsize } = await statfs(existing);
    const freeBytes = bavail * bsize;
    return freeBytes > sizeBytes ? [] : [noSpace(root, sizeBytes, freeBytes)];
  } catch (error) {
    const problem = diskError(error, root);
    if (problem instanceof StasisError) return [problem];
    throw error;
  }
}

/** The path itself, or the nearest folder above it that is there. */
async function nearest(path: string): Promise<string> {
  for (let candidate = path; ; candidate = dirname(candidate)) {
    try {
      await stat(candidate);
      return candidate;
    } catch (error) {
      // Something above it is a file: that file is what the caller must see.
      if (!isCode(error, 'ENOENT', 'ENOTDIR') || candidate === dirname(candidate)) throw error;
    }
  }
}

function notAFolder(root: string, existing: string): StasisError {
  const what = existing === root ? 'is a file' : `lies below the file ${existing}`;
  return new StasisError('store.not-a-folder', `The store's path ${root} ${what}.`, {
    hint: 'Name a folder; it is made when it is missing.',
    at: ['path'],
  });
}

function noSpace(root: string, sizeBytes: number, freeBytes: number): StasisError {
  return new StasisError(
    'store.no-space',
    `The disk of the store ${root} has ${formatBytes(freeBytes)} free; the snapshot may need ${formatBytes(sizeBytes)}.`,
    {
      hint: 'Free some space, remove old generations, or name a store elsewhere.',
      at: ['path'],
      details: { sizeBytes, freeBytes },
    },
  );
}
