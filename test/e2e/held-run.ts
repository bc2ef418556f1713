import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { eventually, isAlive, type Running } from './terraform/workspace.ts';

interface Folder extends AsyncDisposable {
  readonly folder: string;
}

/** A run of an engine that has frozen what it photographs, and would go on for a minute. */
export interface HeldRun<Workspace extends Folder> extends AsyncDisposable {
  readonly workspace: Workspace;
  readonly running: Running;
  readonly plugin: number;
  readonly heldFile: string;
}

/** Waits until the run holds; its workspace ends with it. */
export async function heldRun<Workspace extends Folder>(
  workspace: Workspace,
  running: Running,
): Promise<HeldRun<Workspace>> {
  const heldFile = join(workspace.folder, 'photos/shop.held');
  const plugin = await eventually('the run holds', async () => {
    const text = await readFile(heldFile, 'utf8').catch(() => '');
    return text === '' ? undefined : Number(text);
  });
  return {
    ...{ workspace, running, plugin, heldFile },
    [Symbol.asyncDispose]: () => workspace[Symbol.asyncDispose](),
  };
}

/** The plugin is gone, and nothing is frozen any more. */
export async function expectLetGo({ plugin, heldFile }: Omit<HeldRun<Folder>, 'workspace'>): Promise<void> {
  await eventually('the plugin is gone', async () => ((await isAlive(plugin)) ? undefined : true));
  expect(existsSync(heldFile)).toBe(false);
}
