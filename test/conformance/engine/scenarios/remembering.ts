import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { expectStatus, stasis } from '../../../e2e/cli/stasis.ts';
import type { Desk, Place } from '../desk.ts';
import type { Scenario } from '../suite.ts';
import type { ScenarioName } from '../table.ts';

/** What the engine remembers, and what is there: each without the other. */
export const REMEMBERING = {
  async 'refresh after the snapshot is gone'(desk) {
    const place = await desk.created();
    await rm(place.store.path, { recursive: true });
    await expectTold(desk, place, 'snapshot.lost');
  },

  async 'refresh after the snapshot is damaged'(desk) {
    const place = await desk.created();
    const folder = join(place.store.path, 'blobs/sha256');
    const { reference } = (await desk.project.remembered('shop')) ?? {};
    const manifest = String(reference).split(':').at(-1);
    const [blob] = (await readdir(folder)).filter((name) => name !== manifest);
    await rm(join(folder, blob!));
    await expectTold(desk, place, 'snapshot.damaged');
  },

  async import(desk) {
    const place = await desk.fresh();
    const inputs = ['--store', place.store.path, '-f', '-'];
    const captured = await stasis(['capture', ...inputs], {
      cwd: place.folder,
      stdin: JSON.stringify({ name: 'shop', members: place.snapshot().members }),
    });
    expectStatus(captured, 0);
    await desk.apply({ resources: [place.snapshot({ imports: `${place.store.path}#shop` })] });
    expect(await desk.project.remembered('shop')).toMatchObject({
      id: `${place.store.path}#shop`,
      generation: 1,
    });
    await desk.project.write({ resources: [place.snapshot()] });
    expect((await desk.ok('plan')).actions).toEqual({});
    expect(await place.generations('shop')).toEqual([1]);
  },

  async 'state lost and imported again'(desk) {
    const place = await desk.created();
    const [shop, twin] = [await desk.project.remembered('shop'), await desk.project.remembered('twin')];
    await desk.forget();
    expect(await desk.project.remembered('shop')).toBeUndefined();
    await desk.project.write({
      resources: [place.snapshot(), place.restore({ snapshot: String(shop?.reference) })],
    });
    for (const [id, imported] of [
      ['shop', shop?.id],
      ['twin', twin?.id],
    ] as const) {
      const { succeeded, text } = await desk.project.adopt(id, String(imported));
      expect(succeeded ? '' : text).toBe('');
    }
    await desk.ok('apply');
    expect(await desk.project.remembered('shop')).toMatchObject({
      ...{ id: shop?.id, reference: shop?.reference, generation: 1 },
    });
    expect(await desk.project.remembered('twin')).toMatchObject({ id: twin?.id, reference: twin?.reference });
    expect(await place.generations('shop')).toEqual([1]);
    expect((await desk.ok('plan')).actions).toEqual({});
  },
} satisfies Partial<Record<ScenarioName, Scenario>>;

/** A refresh warns, forgets nothing, and nothing is captured again by itself. */
async function expectTold(desk: Desk, place: Place, code: string): Promise<void> {
  await desk.project.write({ resources: [place.snapshot(), place.restore()] });
  const before = await desk.project.remembered('shop');
  const { problems } = await desk.ok('refresh');
  expect(problems).toContainEqual({ severity: 'warning', resource: 'shop', at: '', code });
  expect(shownOf(await desk.project.remembered('shop'))).toEqual(shownOf(before));
  expect((await desk.ok('plan')).actions).toEqual({});
}

/** What is not encrypted anew each time. */
function shownOf(remembered: Readonly<Record<string, unknown>> = {}): unknown {
  const { id, name, reference, digest, generation, certificate, cutAt, sizeBytes, owner } = remembered;
  return { id, name, reference, digest, generation, certificate, cutAt, sizeBytes, owner };
}
