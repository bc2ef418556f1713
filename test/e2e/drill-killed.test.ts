import { writeFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { context, drillShop } from '../support/drill-shop.ts';
import { until } from '../support/process/rig.ts';
import { stasis } from './cli/stasis.ts';

const shop = drillShop();
const { path, drillInputs, rehearse, scratch, openStore } = shop;

test.each(['load', 'compare', 'tear down'])(
  'what a drill has left that was killed at "%s", the next one takes down',
  async (step) => {
    const before = await scratch();
    const file = path('drill.yaml');
    // JSON is YAML as well.
    await writeFile(file, JSON.stringify({ ...drillInputs(), store: { path: path('store') } }));
    let killed = Promise.resolve();
    const ran = await stasis(['drill', '-f', file], {
      cwd: path('.'),
      started: (running) => {
        killed = until(async () => running.stderr().includes(`stasis: ${step}`), 60_000).then(() =>
          running.kill('SIGKILL'),
        );
      },
    });
    await killed;
    expect([ran.signal, ran.stderr]).toEqual(['SIGKILL', expect.stringContaining(`stasis: ${step}`)]);
    const drill = await rehearse();
    expect(drill.outputs).toMatchObject({ verdict: 'equivalent', passed: true });
    expect(await scratch()).toEqual(before);
    expect((await (await openStore()).verifyAll('content', context)).findings).toEqual([]);
  },
  240_000,
);
