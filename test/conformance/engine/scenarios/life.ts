import { generateKeyPairSync } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { parseReference } from '../../../../provider/core/reference.ts';
import { sleep } from '../../../../provider/core/wait.ts';
import { checkCertificates } from '../../../../provider/resources/drill-certificates.ts';
import { testContext } from '../../../support/context.ts';
import { SITE_FILES } from '../desk.ts';
import type { ComparisonModel, DrillModel } from '../program.ts';
import type { Scenario } from '../suite.ts';
import { type ScenarioName, whyImpossible } from '../table.ts';

/** What happens to a snapshot and its twin from their beginning to their end. */
export const LIFE = {
  async create(desk) {
    const { place, planned } = await desk.create();
    expect(planned.succeeded ? '' : planned.text).toBe('');
    expect(planned.actions.shop).toBe('create');
    const shop = await desk.project.remembered('shop');
    expect(shop).toMatchObject({ generation: 1, sharp: true, blurMs: 0 });
    expect(shop?.reference).toMatch(/^shop@sha256:[0-9a-f]{64}$/);
    const twin = await desk.project.remembered('twin');
    expect(twin).toMatchObject({ verdict: 'identical', reference: shop?.reference });
    expect(await place.generations('shop')).toEqual([1]);
    expect(await readdir(place.path('twin'))).toHaveLength(SITE_FILES);
    expect(await readFile(place.path('twin/7.txt'), 'utf8')).toBe('page 7\n');
  },

  async 'second plan empty'(desk) {
    const place = await desk.created();
    await desk.project.write({ resources: [place.snapshot(), place.restore()] });
    expect((await desk.ok('plan')).actions).toEqual({});
  },

  async 'trigger changed'(desk) {
    const place = await desk.created();
    const resources = [place.snapshot({ triggers: { release: '2' } })];
    await desk.project.write({ resources: [...resources, place.restore()] });
    expect((await desk.ok('plan')).actions).toMatchObject({ shop: 'update' });
    await desk.ok('apply');
    expect(await desk.project.remembered('shop')).toMatchObject({ generation: 2, sharp: true });
    expect(await place.generations('shop')).toEqual([1, 2]);
    expect((await desk.ok('plan')).actions).toEqual({});
  },

  async 'member changed'(desk) {
    const place = await desk.created();
    await mkdir(place.path('more'), { recursive: true });
    const members = {
      site: { files: { path: place.path('site') } },
      more: { files: { path: place.path('more') } },
    };
    // The twin has no target for the new member, and is not asked for one: it ran once.
    await desk.apply({ resources: [place.snapshot({ members }), place.restore()] });
    expect(await desk.project.remembered('shop')).toMatchObject({ generation: 2 });
    const { reference } = (await desk.project.remembered('shop')) ?? {};
    const manifest = await place.manifest(parseReference(String(reference)));
    expect(Object.keys(manifest.members).sort()).toEqual(['more', 'site']);
  },

  async 'newest moved'(desk) {
    const place = await desk.created();
    const before = await desk.project.remembered('shop');
    const inode = async () => (await stat(place.path('twin'))).ino;
    const stood = await inode();
    await writeFile(place.path('site/new.txt'), 'of the next release\n');
    const shop = place.snapshot({ triggers: { release: '2' } });
    try {
      await desk.apply({ resources: [shop, place.restore({ snapshot: String(before?.reference) })] });
    } finally {
      await rm(place.path('site/new.txt'));
    }
    expect(await place.generations('shop')).toEqual([1, 2]);
    expect(await desk.project.remembered('twin')).toMatchObject({ reference: before?.reference });
    expect([await inode(), (await readdir(place.path('twin'))).length]).toEqual([stood, SITE_FILES]);
    if (!remembers(desk.way)) return;

    // One that names the newest is told about it, and stays what it is.
    await desk.project.write({ resources: [shop, place.restore()] });
    const { problems } = await desk.ok('plan');
    expect(problems).toContainEqual({
      ...{ severity: 'warning', resource: 'twin', at: 'snapshot' },
      code: 'restore.newer-snapshot',
    });
  },

  async rename(desk) {
    const place = await desk.created();
    const renamed = place.snapshot({ id: 'store', formerly: 'shop' });
    const restore = place.restore({ snapshot: { from: ['store', 'reference'] } });
    const { actions } = await desk.apply({ resources: [renamed, restore] });
    expect(actions).toEqual({});
    expect(await desk.project.remembered('shop')).toBeUndefined();
    expect(await desk.project.remembered('store')).toMatchObject({ generation: 1, name: 'shop' });
    expect(await place.generations('shop')).toEqual([1]);

    // Another name in the store is another resource.
    const { formerly: _done, ...settled } = renamed;
    await desk.project.write({ resources: [{ ...settled, name: 'other' }, restore] });
    expect((await desk.ok('plan')).actions).toMatchObject({ store: 'replace' });
  },

  async probes(desk) {
    const place = await desk.fresh();
    const ask = (command: readonly string[], expected?: string) => ({
      ...{ member: 'site', command },
      ...(expected === undefined ? {} : { expect: expected }),
    });
    const probes = {
      pages: ask(['sh', '-c', 'ls | wc -l'], String(SITE_FILES)),
      broken: ask(['cat', '7.txt'], 'page 8'),
      gone: ask(['false']),
    };
    await desk.apply({ resources: [place.snapshot({ probes }), place.restore()] });
    expect(await desk.project.remembered('shop')).toMatchObject({
      probeResults: {
        pages: { member: 'site', outcome: 'answered' },
        broken: { outcome: 'unmet' },
        gone: { outcome: 'failed' },
      },
    });
    expect(await desk.project.remembered('twin')).toMatchObject({
      verdict: 'identical',
      probeResults: {
        pages: { outcome: 'equal' },
        broken: { outcome: 'equal' },
        gone: { outcome: 'unasked' },
      },
    });
    const wrong = { lost: { member: 'nobody', command: ['true'] } };
    await desk.project.write({ resources: [place.snapshot({ probes: wrong })] });
    const { succeeded, problems } = await desk.run('plan');
    expect(succeeded).toBe(false);
    expect(problems).toContainEqual(
      expect.objectContaining({ severity: 'error', code: 'probe.no-member', at: 'probes.lost.member' }),
    );
  },

  async drill(desk) {
    const place = await desk.fresh();
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const keyFile = place.path('drill.pem');
    await writeFile(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const drill = (more: Partial<DrillModel> = {}): DrillModel => ({
      ...{ kind: 'Drill', id: 'rehearsal', snapshot: { from: ['shop', 'reference'] }, store: place.store },
      members: { site: { files: { path: place.path('scratch') } } },
      ...{ sign: { keyFile }, ...more },
    });
    await desk.apply({ resources: [place.snapshot(), drill()] });
    const outputs = (await desk.project.remembered('rehearsal')) ?? {};
    const shop = await desk.project.remembered('shop');
    expect(outputs).toMatchObject({ verdict: 'identical', passed: true, reference: shop?.reference });
    expect(Number(outputs.restoreMs)).toBeGreaterThan(0);
    // Nothing stays but the certificate.
    expect((await readdir(place.folder)).filter((name) => name.includes('scratch'))).toEqual([]);
    const { digest } = parseReference(String(outputs.reference));
    const store = await place.openStore();
    const checked = await checkCertificates(store, digest!, publicKey);
    expect(checked).toMatchObject([
      { digest: outputs.certificateDigest, signed: true, facts: { verdict: 'identical', passed: true } },
    ]);
    expect(await store.verify(digest!, 'content', testContext())).toEqual([]);
    if (!remembers(desk.way)) return;
    await desk.project.write({ resources: [place.snapshot(), drill()] });
    expect((await desk.ok('plan')).actions).toEqual({});
    await sleep(1_100);
    await desk.project.write({ resources: [place.snapshot(), drill({ maxAge: '1s' })] });
    const due = await desk.ok('plan');
    expect(due.actions).toEqual({ rehearsal: 'update' });
    expect(due.problems).toContainEqual({
      ...{ severity: 'warning', resource: 'rehearsal', at: 'maxAge', code: 'drill.due' },
    });
    await desk.ok('apply');
    expect(await checkCertificates(store, digest!, publicKey)).toHaveLength(2);
  },

  async comparison(desk) {
    const place = await desk.fresh();
    const members = { site: { files: { path: place.path('site') } } };
    const probes = { pages: { member: 'site', command: ['sh', '-c', 'ls | wc -l'] } };
    const comparison = (more: Partial<ComparisonModel> = {}): ComparisonModel => ({
      ...{ kind: 'Comparison', id: 'same', snapshot: { from: ['shop', 'reference'] }, store: place.store },
      ...{ members, ...more },
    });
    await desk.apply({ resources: [place.snapshot({ probes }), comparison()] });
    expect(await desk.project.remembered('same')).toMatchObject({
      ...{ verdict: 'identical', differences: [] },
      results: { site: { verdict: 'identical' } },
      probeResults: { pages: { member: 'site', outcome: 'equal' } },
    });
    if (!remembers(desk.way)) return;
    const shop = await desk.project.remembered('shop');
    expect(await desk.project.remembered('same')).toMatchObject({
      ...{ reference: shop?.reference, comparedWith: 'running', passed: true, differenceCount: 0 },
      checks: { site: { passed: true }, 'probe/pages': { passed: true } },
    });
    await desk.project.write({ resources: [place.snapshot({ probes }), comparison()] });
    expect((await desk.ok('plan')).actions).toEqual({});

    await writeFile(place.path('site/new.txt'), 'written since\n');
    try {
      await desk.apply({ resources: [place.snapshot({ probes }), comparison({ triggers: { look: '2' } })] });
    } finally {
      await rm(place.path('site/new.txt'));
    }
    const drifted = (await desk.project.remembered('same')) ?? {};
    expect(drifted).toMatchObject({
      ...{ verdict: 'drifted', passed: false },
      checks: { site: { passed: false }, 'probe/pages': { passed: false } },
    });
    expect(drifted.differences).toContainEqual(
      expect.objectContaining({ member: 'site', object: 'file/new.txt', kind: 'extra' }),
    );
    expect(drifted.summary).toContain('probe/pages');

    // Of two sides one is needed, and not both.
    const both = comparison({ other: 'shop:1' });
    await desk.project.write({ resources: [place.snapshot({ probes }), both] });
    const refused = await desk.run('plan');
    expect(refused.succeeded).toBe(false);
    expect(refused.problems).toContainEqual(
      expect.objectContaining({ severity: 'error', code: 'compare.two-sides', at: 'other' }),
    );
  },

  async 'delete with retain'(desk) {
    const place = await desk.created();
    await desk.project.write({ resources: [place.snapshot(), place.restore()] });
    await desk.ok('destroy');
    expect(await desk.project.remembered('shop')).toBeUndefined();
    expect(await desk.project.remembered('twin')).toBeUndefined();
    expect(await place.generations('shop')).toEqual([1]);
    expect(await readdir(place.path('twin'))).toHaveLength(SITE_FILES);
  },

  async 'delete with delete'(desk) {
    const place = await desk.created();
    const shop = place.snapshot({ deletionPolicy: 'delete' });
    // Without its twin, which pins it.
    await desk.apply({ resources: [shop] });
    expect(await place.generations('shop')).toEqual([1]);
    await desk.ok('destroy');
    expect(await desk.project.remembered('shop')).toBeUndefined();
    expect(await place.generations('shop')).toEqual([]);
    expect(await readdir(join(place.store.path, 'blobs/sha256'))).toEqual([]);
  },
} satisfies Partial<Record<ScenarioName, Scenario>>;

/** Whether a second run knows of the first. */
function remembers(way: Parameters<typeof whyImpossible>[0]): boolean {
  return whyImpossible(way, 'second plan empty') === undefined;
}
