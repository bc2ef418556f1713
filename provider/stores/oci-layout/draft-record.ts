import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, isDigest } from '../../core/digest.ts';
import { isCode } from './durable.ts';
import type { Layout } from './layout.ts';

const FILE = 'uses.json';

/**
 * Notes which packs a draft counts on, so that no other process removes them while it lives. Called under the store's
 * lock, and of no use after a power cut, which ends the draft as well.
 */
export async function noteDraftPacks(layout: Layout, token: string, packs: readonly Digest[]): Promise<void> {
  const folder = join(layout.drafts, token);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, FILE), JSON.stringify(packs));
}

export async function draftPacks(layout: Layout, token: string): Promise<readonly Digest[]> {
  try {
    const packs: unknown = JSON.parse(await readFile(join(layout.drafts, token, FILE), 'utf8'));
    return Array.isArray(packs) ? packs.filter(isDigest) : [];
  } catch (error) {
    if (isCode(error, 'ENOENT')) return [];
    throw error;
  }
}
