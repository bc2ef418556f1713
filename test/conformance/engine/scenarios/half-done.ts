import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { expect } from '@jest/globals';
import { eventually } from '../../../e2e/terraform/workspace.ts';
import { type Desk, type Place, SITE_FILES } from '../desk.ts';
import { RESTORE } from '../gate.ts';
import type { Scenario } from '../suite.ts';
import { type ScenarioName, whyImpossible } from '../table.ts';

export const HALF_DONE = {
  async 'half-done create'(desk) {
    const place = await desk.fresh();
    const { gate, gated } = desk.servers;
    await gated.cli('FLUSHALL');
    const members = (site: string, carts: string) => ({
      site: { files: { path: place.path(site) } },
      carts: { redis: { url: { secret: carts } } },
    });
    const shop = place.snapshot({ members: members('site', 'carts') });
    const twin = place.restore({ members: members('twin', 'gated') });
    await desk.project.write({ resources: [shop, twin] });
    gate.arm(RESTORE);
    const run = await desk.project.start('apply');
    try {
      await Promise.race([gate.reached(), endedTooSoon(run.finished)]);
      await obstruct(place);
    } finally {
      gate.open();
    }
    const { succeeded, text } = await run.finished;
    expect(succeeded).toBe(false);
    expect(text).toContain('restore.release-failed');
    // One member runs, the other one does not.
    expect(await gated.cli('GET', 'cart:7')).toBe('item-7');
    expect(await readdir(place.path('twin'))).toEqual(['in-the-way.txt']);
    await expectBegun(desk, place);

    await rm(place.path('twin'), { recursive: true });
    // Without state, a user restores once more what was captured then.
    const { reference } = (await desk.project.remembered('shop')) ?? {};
    const again = { ...twin, snapshot: String(reference) };
    await desk.apply({ resources: isRemembering(desk) ? [shop, again] : [again] });
    expect(await desk.project.remembered('twin')).toMatchObject({ verdict: 'equivalent' });
    expect(await readdir(place.path('twin'))).toHaveLength(SITE_FILES);
    if (isRemembering(desk)) expect((await desk.ok('plan')).actions).toEqual({});
  },
} satisfies Partial<Record<ScenarioName, Scenario>>;

async function endedTooSoon(finished: Promise<{ readonly text: string }>): Promise<never> {
  throw new Error(`it ended before: ${(await finished).text}`);
}

/** Fills the target, once the files are being loaded beside it. */
async function obstruct(place: Place): Promise<void> {
  await eventually('the files are being loaded', async () =>
    (await readdir(place.folder)).some((name) => name.startsWith('.twin.stasis-')) ? true : undefined,
  );
  expect(existsSync(place.path('twin'))).toBe(false);
  await mkdir(place.path('twin'));
  await writeFile(place.path('twin/in-the-way.txt'), 'made meanwhile\n');
}

/** An engine that can keep what is not whole keeps it as such; Terraform would have it replaced, and keeps nothing. */
async function expectBegun(desk: Desk, place: Place): Promise<void> {
  const twin = await desk.project.remembered('twin');
  expect(twin?.verdict ?? undefined).toBeUndefined();
  const record = await (await place.openStore()).name('shop');
  expect(record?.pins).toHaveLength(1);
}

function isRemembering({ way }: Desk): boolean {
  return whyImpossible(way, 'second plan empty') === undefined;
}
