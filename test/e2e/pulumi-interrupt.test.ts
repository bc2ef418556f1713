import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, jest, test } from '@jest/globals';
import type { PulumiTools } from '../../scripts/engines/pulumi.ts';
import { expectLetGo, type HeldRun, heldRun } from './held-run.ts';
import { DB, photo, photoWorkspace } from './pulumi/photo-workspace.ts';
import { describePulumi, type Workspace } from './pulumi/workspace.ts';

jest.setTimeout(240_000);

async function heldUp(tools: PulumiTools, thawMs = 300): Promise<HeldRun<Workspace>> {
  const workspace = await photoWorkspace(tools, photo(`${DB}\nholdMs: 60000\nthawMs: ${thawMs}`));
  return heldRun(workspace, workspace.start(['up', '--yes', '--skip-preview']));
}

/** Everything runs again, no resource came to be, and the next up converges. */
async function expectConverges(held: HeldRun<Workspace>, unlock = false): Promise<void> {
  await expectLetGo(held);
  await expectNextUpConverges(held.workspace, unlock);
}

async function expectNextUpConverges(workspace: Workspace, unlock: boolean): Promise<void> {
  if (unlock) await workspace.ok(['cancel', '--yes']);
  expect(await workspace.state()).toEqual({});
  await workspace.write(photo(DB));
  await workspace.up();
  expect((await workspace.state()).a).toMatchObject({ outputs: { generation: 1 } });
  expect(await workspace.planned()).toEqual({});
}

describePulumi((tools) => {
  test('SIGTERM to the process group', async () => {
    await using held = await heldUp(tools);
    process.kill(-held.running.child.pid!, 'SIGTERM');
    await held.running.finished;
    await expectConverges(held, true);
  });

  test('a fault of ours outside of any call: everything is let go before the process ends', async () => {
    await using workspace = await photoWorkspace(
      tools,
      photo(`${DB}\nholdMs: 60000\nthawMs: 300\nfail: crash`),
    );
    const { status, all } = await workspace.run('up', '--yes', '--skip-preview');
    expect(status).not.toBe(0);
    expect(all).toContain('The work was stopped: stasis met a fault of its own.');
    expect(existsSync(join(workspace.folder, 'photos/shop.held'))).toBe(false);
    expect(await workspace.state()).toEqual({});
  });
});
