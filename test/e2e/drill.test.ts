import { readdir, readFile, writeFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import type { Context } from '../../provider/core/context.ts';
import { parsePublicKey } from '../../provider/core/dsse.ts';
import type { Values } from '../../provider/core/resource.ts';
import { REPORT_SCHEMA } from '../../provider/report/schema.ts';
import { checkCertificates } from '../../provider/resources/drill-certificates.ts';
import { codeOf, context, digestOf, drillShop, run } from '../support/drill-shop.ts';

const shop = drillShop();
const { path, resource, snapshotInputs, drillInputs, rehearse, scratch, openStore } = shop;

test('a drill measures and compares everything, leaves its certificate, and nothing else', async () => {
  const before = await scratch();
  await shop.postgres[0]!.query("INSERT INTO orders (what) VALUES ('after the cut')", { database: 'shop' });
  const { orders, carts } = snapshotInputs().members as Values;
  const drill = await rehearse({ report: path('drill.json'), original: { orders, carts }, warm: true });
  expect(drill.outputs).toMatchObject({
    verdict: 'equivalent',
    passed: true,
    differences: [],
    probeResults: { orders: { outcome: 'equal' } },
    results: {
      orders: { verdict: 'equivalent' },
      carts: { verdict: 'equivalent' },
      receipts: { verdict: 'identical' },
    },
    // A Redis has no caches that do not come back by themselves.
    warmth: { orders: { known: true, hotBytes: expect.any(Number), warmedBytes: expect.any(Number) } },
    lostWork: {
      orders: { read: true, changes: { orders: 1 } },
      carts: { read: true, differenceCount: 0, changes: {} },
    },
  });
  const warmed = drill.outputs.warmth as Record<string, { hotBytes: number; warmedBytes: number }>;
  expect(Object.keys(warmed).sort()).toEqual(['orders', 'receipts']);
  for (const { hotBytes, warmedBytes } of Object.values(warmed)) {
    expect(hotBytes).toBeGreaterThan(0);
    expect(warmedBytes).toBeGreaterThan(0);
  }
  expect(drill.outputs.restoreMs).toBeGreaterThan(0);
  expect(drill.outputs.teardownMs).toBeGreaterThan(0);
  expect(await scratch()).toEqual(before);
  const report = REPORT_SCHEMA.parse(JSON.parse(await readFile(path('drill.json'), 'utf8')));
  expect(report.outcome).toMatchObject({
    verdict: 'equivalent',
    warmth: [
      { member: 'orders', known: true },
      { member: 'receipts', known: true },
    ],
    lostWork: [{ member: 'orders', changes: [{ probe: 'orders', change: 1 }] }, { member: 'carts' }],
  });
  expect(report.probes).toMatchObject([{ name: 'orders', restored: { outcome: 'equal' } }]);
  const store = await openStore();
  expect((await store.name('shop'))?.pins).toEqual([]);
  expect((await store.verifyAll('content', context)).findings).toEqual([]);
  expect(await resource('Drill').read(drill, context)).toMatchObject({ problems: [] });
  const imported = await resource('Drill').importState(drill.id, context);
  expect(imported.outputs).toMatchObject({
    ...{ reference: shop.photo.outputs.reference, verdict: 'equivalent' },
    warmth: drill.outputs.warmth,
    lostWork: { orders: { read: true, changes: { orders: 1 } } },
  });
  const found = await shop.catalog.functions[0]!.call({ snapshot: 'shop' }, context);
  expect(found).toMatchObject({ drillVerdict: 'equivalent', drilledAt: drill.outputs.drilledAt });
}, 240_000);

test('what would keep it from being signed or restored is told by the plan, at the attribute', async () => {
  const plan = async (more: Values): Promise<string[][]> => {
    const { problems } = await resource('Drill').plan({ inputs: drillInputs(more) }, context);
    return problems
      .filter(({ severity }) => severity === 'error')
      .map(({ code, at }) => [code, at.join('.')]);
  };
  expect(await plan({})).toEqual([]);
  expect(await plan({ sign: { keyFile: path('nowhere.pem') } })).toEqual([['sign.key', 'sign.keyFile']]);
  expect(await plan({ sign: { keyFile: path('ec.pub') } })).toEqual([['sign.key', 'sign.keyFile']]);
  expect(await plan({ sign: {} })).toEqual([['sign.not-one', 'sign']]);
  expect(await plan({ sign: { command: ['true'] } })).toEqual([['sign.not-one', 'sign.command']]);
  const stranger = { files: { path: path('receipts') } };
  expect(await plan({ original: { stranger, orders: stranger } })).toEqual([
    ['original.unknown', 'original.stranger'],
    ['original.other-driver', 'original.orders.files'],
  ]);
  expect(await plan({ maxAge: 'a month' })).toEqual([['age.malformed', 'maxAge']]);
  await run('openssl', ['genrsa', '-out', path('rsa.pem'), '2048']);
  expect(await plan({ sign: { keyFile: path('rsa.pem') } })).toEqual([['dsse.key-type', 'sign.keyFile']]);
});

test('a target that is not empty is refused, and what is in it stays', async () => {
  await shop.redis[1]!.cli('SET', 'mine', '1');
  expect(await codeOf(rehearse())).toEqual(['restore.target-not-empty', 'members.carts.redis']);
  expect(await shop.redis[1]!.cli('GET', 'mine')).toBe('1');
  await shop.redis[1]!.cli('DEL', 'mine');
});

test('drift fails it, and the certificate says so', async () => {
  const probes = { port: { member: 'orders', sql: "SELECT current_setting('port')" } };
  const drifting = await resource('Snapshot').apply(
    { inputs: snapshotInputs({ name: 'drifting', probes }) },
    context,
  );
  const before = await scratch();
  const snapshot = drifting.outputs.reference;
  expect(await codeOf(rehearse({ snapshot }))).toEqual(['drill.drifted', 'verify']);
  expect(await scratch()).toEqual(before);
  const key = parsePublicKey(await readFile(path('ec.pub'), 'utf8'));
  const checked = await checkCertificates(await openStore(), digestOf(drifting), key);
  expect(checked).toMatchObject([
    {
      signed: true,
      facts: { verdict: 'drifted', passed: false, differenceCount: 1, probes: { port: 'different' } },
    },
  ]);
}, 240_000);

/** A folder alone: what these look at is not how a database is restored. */
const ofFiles = (name: string, more: Values = {}): Values => ({
  name,
  members: { receipts: { files: { path: path('receipts') } } },
  ...more,
});
const intoFiles = (snapshot: unknown, more: Values = {}): Values => ({
  ...{ snapshot, sign: { keyFile: path('ec.pem') } },
  members: { receipts: { files: { path: path('scratch-files') } } },
  ...more,
});

/** So many days from now. */
function inDays(days: number): Context {
  const { clock } = context;
  return {
    ...context,
    clock: { nowNs: () => clock.nowNs(), wallMs: () => clock.wallMs() + days * 86_400_000 },
  };
}

test('a plan says when a new drill is due, and warns of a snapshot that was never rehearsed', async () => {
  const fresh = await resource('Snapshot').apply({ inputs: ofFiles('fresh') }, context);
  const warnings = async (maxDrillAge: string, at: Context): Promise<string[]> => {
    const inputs = ofFiles('fresh', { maxDrillAge });
    const { problems, action } = await resource('Snapshot').plan({ prior: fresh, inputs }, at);
    expect(action).toBe('update');
    return problems.map(({ code }) => code);
  };
  expect(await warnings('40d', context)).toEqual(['snapshot.never-drilled']);

  const inputs = intoFiles('fresh', { maxAge: '30d' });
  const drill = await resource('Drill').apply({ inputs }, context);
  expect(await warnings('40d', inDays(39))).toEqual([]);
  expect(await warnings('40d', inDays(41))).toEqual(['snapshot.drill-too-old']);
  expect(await resource('Drill').plan({ prior: drill, inputs }, inDays(29))).toMatchObject({
    action: 'none',
  });
  const due = await resource('Drill').plan({ prior: drill, inputs }, inDays(31));
  expect(due.action).toBe('update');
  expect(due.problems).toMatchObject([{ code: 'drill.due', severity: 'warning', at: ['maxAge'] }]);
  const again = await resource('Drill').apply({ prior: drill, inputs }, inDays(31));
  expect(again.outputs.certificateDigest).not.toBe(drill.outputs.certificateDigest);
  expect(again.id).toBe(drill.id);
  // What "fresh" stands for has moved: that one was never rehearsed.
  const next = { ...ofFiles('fresh'), triggers: { again: '1' } };
  await resource('Snapshot').apply({ prior: fresh, inputs: next }, context);
  expect(await resource('Drill').plan({ prior: drill, inputs }, context)).toMatchObject({ action: 'update' });
}, 240_000);

test('certificates go with their snapshot, and every flipped byte of one is found', async () => {
  const inputs = ofFiles('pruned', { keep: 1 });
  const first = await resource('Snapshot').apply({ inputs }, context);
  const drill = await resource('Drill').apply({ inputs: intoFiles('pruned') }, context);
  const store = await openStore();
  const certificate = String(drill.outputs.certificateDigest);
  const blob = path(`store/blobs/sha256/${certificate.slice(7)}`);
  const manifest = JSON.parse(await readFile(blob, 'utf8')) as { layers: { digest: string }[] };
  const layer = path(`store/blobs/sha256/${manifest.layers[0]!.digest.slice(7)}`);
  const index = path('store/index.json');
  const listed = (await readFile(index, 'utf8')).indexOf(certificate);
  for (const [file, places] of [
    [blob, [0, 200, 400]],
    [layer, [0, 500, 900]],
    [index, [listed - 60, listed - 20, listed + 10, listed + 75]],
  ] as const) {
    const bytes = await readFile(file);
    for (const at of places) {
      const changed = Buffer.from(bytes);
      changed[at] = changed[at]! ^ 1;
      await writeFile(file, changed);
      const { findings } = await store.verifyAll('content', context);
      expect([file, at, findings.length]).not.toEqual([file, at, 0]);
    }
    await writeFile(file, bytes);
  }
  expect((await store.verifyAll('content', context)).findings).toEqual([]);
  await resource('Snapshot').apply(
    { prior: first, inputs: { ...inputs, triggers: { again: '1' } } },
    context,
  );
  const blobs = await readdir(path('store/blobs/sha256'));
  expect(blobs).not.toContain(certificate.slice(7));
  expect(blobs).not.toContain(digestOf(first).slice(7));
  expect(await readFile(index, 'utf8')).not.toContain(certificate);
  expect((await store.verifyAll('content', context)).findings).toEqual([]);
}, 240_000);
