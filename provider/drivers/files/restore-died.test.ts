import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, jest, test } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import {
  around,
  type Captured,
  host,
  load,
  restoreAndCompare,
  type Scratch,
  scratch,
  source,
} from '../../../test/support/files-capture.ts';
import type { RestorePlan } from '../../core/driver.ts';
import type { Host } from '../../core/host.ts';
import { filesDriver } from './driver.ts';

/** Programs are started, on machines that may be busy. */
jest.setTimeout(120_000);

function plan(path: string, captured: Captured, at: Host = host): Promise<RestorePlan> {
  return filesDriver.planRestore({ path }, at, captured.member, testContext());
}

describe('a restore that died', () => {
  /** Stops for good at a point, as kill -9 would: nothing is disposed of. */
  async function dead(
    folder: Scratch,
    captured: Captured,
    before: 'release' | 'nothing',
  ): Promise<unknown[]> {
    const entries: unknown[] = [];
    const held = await load({ path: folder.at('target') }, captured, {
      overwrite: true,
      journal: async (entry) => {
        entries.push(JSON.parse(JSON.stringify(entry)));
      },
    });
    if (before === 'release') await held.release();
    return entries;
  }
  const undo = async (folder: Scratch, entries: readonly unknown[]): Promise<void> => {
    for (const entry of entries.toReversed())
      await filesDriver.undo({ path: folder.at('target') }, host, entry, testContext());
  };
  const fill = (folder: Scratch): void => {
    mkdirSync(folder.at('target'));
    writeFileSync(folder.at('target', 'old'), 'old');
  };

  test('while it loaded is undone, any number of times', async () => {
    using folder = scratch();
    const captured = await source(folder);
    fill(folder);
    const entries = await dead(folder, captured, 'nothing');
    expect(around(folder)).toHaveLength(2);
    for (let times = 0; times < 3; times += 1) {
      await undo(folder, entries);
      expect(around(folder)).toEqual(['target']);
      expect(readdirSync(folder.at('target'))).toEqual(['old']);
    }
  });

  test('between its two renames is undone: the old is back', async () => {
    using folder = scratch();
    const captured = await source(folder);
    fill(folder);
    const entries = await dead(folder, captured, 'nothing');
    const staging = around(folder).find((name) => name.includes('.stasis-'))!;
    renameSync(folder.at('target'), folder.at(staging, 'old'));
    for (let times = 0; times < 2; times += 1) {
      await undo(folder, entries);
      expect(around(folder)).toEqual(['target']);
      expect(readFileSync(folder.at('target', 'old'), 'utf8')).toBe('old');
    }
  });

  test('after the swap, and before the old one was removed, is done: the new one stays', async () => {
    using folder = scratch();
    const captured = await source(folder);
    fill(folder);
    const entries = await dead(folder, captured, 'release');
    const [entry] = entries as { restoreId: string }[];
    expect(entry?.restoreId).toBe('restore-1');
    // As if it had died just before the old tree was removed.
    const again = await load({ path: folder.at('other') }, captured);
    const staging = around(folder).find((name) => name.startsWith('.other.stasis-'))!;
    await again[Symbol.asyncDispose]();
    mkdirSync(folder.at(staging.replace('.other', '.target'), 'old'), { recursive: true });
    await undo(folder, entries);
    expect(around(folder)).toEqual(['.target.stasis-restore.json', 'target']);
    expect(readFileSync(folder.at('target', 'a'), 'utf8')).toBe('captured');
    expect(await plan(folder.at('target'), captured)).toMatchObject({ restoredBy: 'restore-1' });
  });

  test('never costs what somebody made in the meantime', async () => {
    using folder = scratch();
    const captured = await source(folder);
    fill(folder);
    const entries = await dead(folder, captured, 'nothing');
    const staging = around(folder).find((name) => name.includes('.stasis-'))!;
    renameSync(folder.at('target'), folder.at(staging, 'old'));
    mkdirSync(folder.at('target'));
    await expect(undo(folder, entries)).rejects.toMatchObject({ code: 'files.undo-conflict' });
    expect(readFileSync(folder.at(staging, 'old', 'old'), 'utf8')).toBe('old');
    expect(existsSync(folder.at('target'))).toBe(true);
  });

  test('is followed by another that converges', async () => {
    using folder = scratch();
    const captured = await source(folder);
    await dead(folder, captured, 'nothing');
    expect((await restoreAndCompare({ path: folder.at('target') }, captured)).differenceCount).toBe(0);
    expect(around(folder)).toEqual(['.target.stasis-restore.json', 'target']);
  });

  test('whose journal is about another place touches nothing', async () => {
    using folder = scratch();
    const captured = await source(folder);
    const entries = await dead(folder, captured, 'nothing');
    const elsewhere = filesDriver.undo({ path: folder.at('elsewhere') }, host, entries[0], testContext());
    await expect(elsewhere).rejects.toMatchObject({ code: 'files.journal-mismatch' });
    await expect(
      filesDriver.undo({ path: folder.at('target') }, host, { remove: '/' }, testContext()),
    ).rejects.toMatchObject({ code: 'files.malformed-journal' });
    rmSync(folder.path, { recursive: true });
    await filesDriver.undo({ path: folder.at('target') }, host, entries[0], testContext());
  });
});
