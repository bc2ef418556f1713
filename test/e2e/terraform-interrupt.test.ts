import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, jest, test } from '@jest/globals';
import { expectLetGo, type HeldRun, heldRun } from './held-run.ts';
import { describeEngines, type Engine } from './terraform/engines.ts';
import { ADDRESS, DB, photo, photoWorkspace, writePhotos } from './terraform/photo-workspace.ts';
import { eventually, isAlive, type Workspace } from './terraform/workspace.ts';

jest.setTimeout(240_000);
const APPLY = ['apply', '-auto-approve', '-input=false', '-no-color'];

async function heldApply(engine: Engine, thawMs = 300): Promise<HeldRun<Workspace>> {
  const workspace = await photoWorkspace(engine, photo(`${DB}\n  hold_ms = 60000\n  thaw_ms = ${thawMs}`));
  return heldRun(workspace, workspace.start(APPLY));
}

/** Everything runs again, no resource came to be, and the next apply converges. */
async function expectConverges(held: HeldRun<Workspace>, force = false): Promise<void> {
  await expectLetGo(held);
  const { workspace } = held;
  const [unlock] = force ? [['-lock=false']] : [[]];
  await writePhotos(workspace, photo(DB));
  await workspace.apply(...unlock);
  expect(await workspace.state(ADDRESS)).toMatchObject({ generation: 1 });
  expect(await workspace.planned(...unlock)).toMatchObject({ changes: false });
}

describeEngines((engine) => {
  test.each(['SIGTERM', 'SIGHUP', 'SIGQUIT'] as const)('%s to the process group', async (signal) => {
    await using held = await heldApply(engine);
    process.kill(-held.running.child.pid!, signal);
    await held.running.finished;
    await expectConverges(held, true);
  });

  test('kill -9 of the engine before it ever connected', async () => {
    await using workspace = await photoWorkspace(engine, photo(DB));
    // Stopped, the engine never opens its stream; the handshake is in its pipe.
    const running = workspace.start(APPLY);
    const folder = await eventually('a plugin listens', async () => (await workspace.leftovers())[0]);
    process.kill(running.child.pid!, 'SIGSTOP');
    const plugin = Number(/^stasis-(\d+)-/.exec(folder)?.[1]);
    process.kill(running.child.pid!, 'SIGKILL');
    await running.finished;
    await eventually('the plugin is gone', async () => ((await isAlive(plugin)) ? undefined : true));
    await eventually('its folder is gone', async () =>
      (await workspace.leftovers()).length === 0 ? true : undefined,
    );
  });

  test('a fault of ours outside of any call: everything is let go before the process ends', async () => {
    await using workspace = await photoWorkspace(
      engine,
      photo(`${DB}\n  hold_ms = 60000\n  thaw_ms = 300\n  fail = "crash"`),
    );
    const trace = join(workspace.folder, 'trace.log');
    const { status, all } = await workspace.run(APPLY, { TF_LOG: 'ERROR', TF_LOG_PATH: trace });
    expect(status).toBe(1);
    expect(all).toContain('The work was stopped: stasis met a fault of its own.');
    expect(await readFile(trace, 'utf8')).toContain('a mistake of ours');
    expect(existsSync(join(workspace.folder, 'photos/shop.held'))).toBe(false);
    expect(await workspace.state(ADDRESS)).toBeUndefined();
    expect(await workspace.leftovers()).toEqual([]);
  });
});
