import { cp, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { REPORT_SCHEMA } from '../../provider/report/schema.ts';
import { Shop } from './cli/shop.ts';
import { expectStatus } from './cli/stasis.ts';

const SNAPSHOT_KEYS = [
  ...['reference', 'digest', 'generation', 'cutAt', 'sharp', 'blurMs', 'pauseMs', 'sizeBytes', 'storedBytes'],
  ...['newBytes', 'certificate', 'coverage'],
];

let shop: Shop;

beforeAll(async () => {
  shop = await Shop.open();
  await shop.workspace.inputs('app.yaml', shop.app);
  await shop.workspace.inputs('target.yaml', shop.target);
}, 120_000);
afterAll(() => shop?.[Symbol.asyncDispose]());

/** These follow one another, as a user's commands do. */
describe('the command line on real Postgres, Redis and a folder', () => {
  let reference = '';

  test('plan says what a capture would take, and touches nothing', async () => {
    const ran = await shop.run(['plan', '-f', 'app.yaml', '--json']);
    expectStatus(ran, 0);
    expect(ran.stderr).not.toContain('error');
    expect(ran.json()).toMatchObject({ action: 'capture', ready: true, problems: expect.any(Array) });
    const { estimate } = ran.json() as { estimate: { members: object; sizeBytes: number } };
    expect(Object.keys(estimate.members).sort()).toEqual(['orders', 'receipts', 'sessions']);
    expect(estimate.sizeBytes).toBeGreaterThan(0);
    expect(await readdir(shop.workspace.folder)).not.toContain('snapshots');
  });

  test('capture under writes is sharp, and prints one JSON object with the outputs of a Snapshot', async () => {
    let isWriting = true;
    let written = 0;
    const writing = (async () => {
      while (isWriting) {
        await shop.postgres.query("INSERT INTO orders (customer, total) VALUES ('late', 1)", {
          database: 'orders',
        });
        await shop.redis.cli('INCR', 'visits');
        written += 1;
      }
    })();
    const ran = await shop.run(['capture', '-f', 'app.yaml', '--json']).finally(() => {
      isWriting = false;
    });
    await writing;
    expectStatus(ran, 0);
    const outputs = ran.json();
    expect(Object.keys(outputs)).toEqual(expect.arrayContaining(SNAPSHOT_KEYS));
    expect(outputs).toMatchObject({ generation: 1, sharp: true, blurMs: 0 });
    expect(outputs.reference).toBe(`shop@${outputs.digest}`);
    // A Redis among members that happen to be quiet is not paused at all.
    expect(outputs.pauseMs).toBeGreaterThanOrEqual(0);
    expect(ran.stderr).toContain('stasis: copy orders');
    expect(written).toBeGreaterThan(0);
    reference = String(outputs.reference);
  });

  test('capture again is the next generation, drawn on stdout, with its progress on stderr', async () => {
    const ran = await shop.run(['capture', '-f', 'app.yaml']);
    expectStatus(ran, 0);
    const lines = ran.stdout.split('\n');
    expect(lines[0]).toMatch(/^shop +sharp$/);
    expect(lines[1]).toMatch(/^ {2}orders +postgres +\S+ .*[•├┼].* [kM]B {2}\S/);
    expect(lines[2]).toMatch(/^ {2}sessions +redis +(?:locked|marked|still) .*[┣╋•┼].* [kM]B {2}\S/);
    expect(lines[3]).toMatch(/^ {2}receipts +files +still .*[├┼].* [kM]?B {2}\S/);
    expect(ran.stdout).toMatch(/shop@sha256:[0-9a-f]{64}\s+generation 2/);
    expect(ran.stderr).toMatch(/^stasis: plan$/m);
    expect(ran.stderr).not.toContain('\u001b');
  });

  test('list shows names, and the generations of one, newest first', async () => {
    const env = { STASIS_STORE: 'snapshots' };
    const names = await shop.run(['list'], env);
    expect(names.stdout).toMatch(/^ {2}shop {2}2 generations {2}\d{4}-.* UTC {2}owned by cli$/m);
    const listed = await shop.run(['list', 'shop', '--json'], env);
    const { snapshots } = listed.json() as { snapshots: { generation: number; reference: string }[] };
    expect(snapshots.map(({ generation }) => generation)).toEqual([2, 1]);
    expect(snapshots[1]!.reference).toBe(reference);
    const drawn = await shop.run(['list', 'shop'], env);
    expect(drawn.stdout.split('\n').slice(1, 3)).toEqual([
      expect.stringMatching(/^ {2}shop:2 .* sharp .* new {2}sha256:[0-9a-f]{12}$/),
      expect.stringMatching(/^ {2}shop:1 /),
    ]);
  });

  test('show draws the same cut again, by name, generation or digest', async () => {
    const byName = await shop.run(['show', 'shop', '--store', 'snapshots', '--json']);
    expect(byName.json()).toMatchObject({ generation: 2, createdBy: expect.stringMatching(/^stasis \d/) });
    expect(Object.keys(byName.json())).toEqual(expect.arrayContaining([...SNAPSHOT_KEYS, 'members']));
    for (const text of ['shop:1', reference]) {
      const shown = await shop.run(['show', text]);
      expectStatus(shown, 0);
      expect(shown.stdout).toContain(reference);
      expect(shown.stdout).toMatch(/^ {2}orders: postgres:\/\/127\.0\.0\.1:\d+\/orders, /m);
    }
  });

  test('verify reads all, judges the proof again, and ends with 0', async () => {
    const ran = await shop.run(['verify', reference, '--json']);
    expectStatus(ran, 0);
    expect(ran.json()).toMatchObject({ reference, whole: true, sharp: true, blurMs: 0, findings: [] });
  });

  test('verify finds a flipped byte, names it, and ends with 1', async () => {
    const copy = shop.workspace.path('rotten');
    await cp(shop.workspace.path('snapshots'), copy, { recursive: true });
    await flipByte(await largestFile(copy));
    const ran = await shop.run(['verify', 'shop:1', '--store', 'rotten', '--json']);
    expectStatus(ran, 1);
    const { findings } = ran.json() as { findings: { code: string; message: string }[] };
    expect(findings.length).toBeGreaterThan(0);
    expect(findings[0]!.message).toMatch(/sha256:[0-9a-f]{8}/);
    const drawn = await shop.run(['verify', 'shop:1', '--store', 'rotten']);
    expect(drawn.stdout).toMatch(/^shop@sha256:[0-9a-f]+…? +damaged$/m);
    const restore = await shop.run(['restore', 'shop:1', '-f', 'target.yaml', '--store', 'rotten', '--json']);
    expect(restore.json()).toMatchObject({ error: { code: 'store.damaged' } });
    expect(await shop.twinRedis.cli('DBSIZE')).toBe('0');
  });

  test('plan of a restore says what it would load', async () => {
    const ran = await shop.run(['plan', 'shop:1', '-f', 'target.yaml', '--json']);
    expect(ran.json()).toMatchObject({ action: 'restore', ready: true });
    expectStatus(ran, 0);
  });

  test('restore brings it to life elsewhere, and says that it is the same', async () => {
    const ran = await shop.run(['restore', reference, '-f', 'target.yaml', '--json']);
    expectStatus(ran, 0);
    const outputs = ran.json();
    expect(outputs).toMatchObject({ reference, differences: [], results: expect.any(Object) });
    expect(['identical', 'equivalent']).toContain(outputs.verdict);
    expect(outputs.restoreMs).toBeGreaterThan(0);
    const [row] = await shop.twinPostgres.query('SELECT count(*)::int AS rows FROM orders', {
      database: 'orders',
    });
    expect(row!.rows).toBeGreaterThanOrEqual(5000);
    expect(Number(await shop.twinRedis.cli('DBSIZE'))).toBeGreaterThanOrEqual(2000);
    expect(await readFile(shop.workspace.path('twin-receipts/7.txt'), 'utf8')).toBe('receipt 7\n');
  });

  test('the same restore again only compares, and is drawn', async () => {
    const ran = await shop.run(['restore', reference, '-f', 'target.yaml']);
    expectStatus(ran, 0);
    expect(ran.stdout).toMatch(/^shop@sha256:.* equivalent$/m);
    expect(ran.stdout).toMatch(/^ {2}receipts +identical +\d+ {2}objects equal/m);
    expect(ran.stdout).toMatch(/^ {2}restored in \d/m);
  });

  test('compare tells what runs now from what was captured: 0 when the same, 3 when it drifted', async () => {
    const same = await shop.run(['compare', reference, '-f', 'target.yaml']);
    expectStatus(same, 0);
    await shop.twinPostgres.query('UPDATE orders SET total = 0 WHERE id = 17', { database: 'orders' });
    await shop.twinRedis.cli('HSET', 'cart:17', 'count', '2');
    await writeFile(shop.workspace.path('twin-receipts/7.txt'), 'forged\n');
    const drifted = await shop.run(['compare', reference, '-f', 'target.yaml', '--json']);
    expectStatus(drifted, 3);
    const { verdict, differences } = drifted.json() as { verdict: string; differences: { object: string }[] };
    expect(verdict).toBe('drifted');
    const objects = differences.map(({ object }) => object).join('\n');
    expect(objects).toMatch(/orders/);
    expect(objects).toMatch(/cart:17/);
    expect(objects).toMatch(/7\.txt/);
    expect(objects).not.toMatch(/cart:18/);
    const drawn = await shop.run(['compare', reference, '-f', 'target.yaml']);
    expect(drawn.stdout).toMatch(/ drifted$/m);
    expect(drawn.stdout).toMatch(/receipts +changed +file\/7\.txt/);
  });

  test('a restore of what drifted since fails, unless only a report is asked for: then it ends with 3', async () => {
    const asked = ['restore', reference, '-f', 'target.yaml', '--json', '--report', 'rolled-back.json'];
    const insisting = await shop.run(asked);
    expectStatus(insisting, 1);
    expect(insisting.json()).toMatchObject({ error: { code: 'restore.drifted' } });
    const { outcome } = JSON.parse(await readFile(shop.workspace.path('rolled-back.json'), 'utf8'));
    expect(outcome).toMatchObject({ kind: 'restore', verdict: 'drifted', restoreMs: null });
    expect(JSON.stringify(outcome.differences)).toContain('7.txt');
    await shop.workspace.inputs('report.yaml', `${shop.target}verify: report\n`);
    const reporting = await shop.run(['restore', reference, '-f', 'report.yaml', '--json']);
    expectStatus(reporting, 3);
    expect(reporting.json()).toMatchObject({ verdict: 'drifted', reference });
  });

  test('compare of two snapshots names what changed between them', async () => {
    const ran = await shop.run(['compare', 'shop:1', 'shop:2', '--json']);
    expectStatus(ran, 3);
    expect(ran.json()).toMatchObject({ left: reference, verdict: 'drifted' });
    const itself = await shop.run(['compare', 'shop:1', reference]);
    expectStatus(itself, 0);
  });

  test('report writes a page, JSON that follows the schema and Markdown, with what a restore found', async () => {
    const found = await shop.run(['restore', reference, '-f', 'report.yaml', '--json']);
    const written = await shop.run(
      ['report', reference, '-o', 'out/report.html', '--outcome', '-', '--json'],
      {},
      found.stdout,
    );
    expectStatus(written, 0);
    const path = shop.workspace.path('out/report.html');
    expect(written.json()).toMatchObject({
      reference,
      format: 'html',
      path,
      sharp: true,
      contradictions: [],
    });
    const page = await readFile(path, 'utf8');
    expect(page).toContain('One instant fits all three members.');
    expect(page).toContain('7.txt');
    const json = REPORT_SCHEMA.parse((await shop.run(['report', reference, '--json'])).json());
    expect(json.members.map(({ name }) => name).sort()).toEqual(['orders', 'receipts', 'sessions']);
    expect(json.generations.map(({ generation }) => generation)).toEqual([2, 1]);
    expect((await shop.run(['report', 'shop'])).stdout).toMatch(
      /^### `shop`, generation 2: One instant fits/,
    );
    const other = await shop.run(['report', 'shop:2', '--outcome', '-', '--json'], {}, found.stdout);
    expectStatus(other, 2);
    expect(other.json()).toMatchObject({ error: { code: 'report.other-snapshot' } });
  });

  test('pin keeps a generation that keep would remove, and unpin lets it go', async () => {
    expectStatus(await shop.run(['pin', 'shop:2', '--note', 'audit']), 0);
    expect((await shop.run(['list', 'shop'])).stdout).toMatch(/shop:2 .*\n {4}pinned by user:audit/);
    await shop.workspace.inputs('keep.yaml', `${shop.app}keep: 1\n`);
    const kept = await shop.run(['capture', '-f', 'keep.yaml', '--json']);
    expect(kept.json()).toMatchObject({ generation: 3 });
    const left = (await shop.run(['list', 'shop', '--json'])).json() as {
      snapshots: { generation: number }[];
    };
    // The first one is pinned by its restore.
    expect(left.snapshots.map(({ generation }) => generation)).toEqual([3, 2, 1]);
    expect((await shop.run(['unpin', 'shop:2', '--json'])).json()).toMatchObject({
      unpinned: ['user:audit'],
    });
    expect((await shop.run(['unpin', 'shop:2', '--json'])).json()).toMatchObject({
      error: { code: 'usage.no-pin' },
    });
    await shop.run(['capture', '-f', 'keep.yaml', '--json']);
    const after = (await shop.run(['list', 'shop', '--json'])).json() as {
      snapshots: { generation: number }[];
    };
    expect(after.snapshots.map(({ generation }) => generation)).toEqual([4, 1]);
  });

  test('doctor says what this machine can capture', async () => {
    const ran = await shop.run(['doctor', '--json']);
    expectStatus(ran, 0);
    const { drivers, store } = ran.json() as { drivers: { name: string; problems: [] }[]; store: object };
    expect(drivers.map(({ name }) => name).sort()).toEqual([
      'container',
      'files',
      'mariadb',
      'postgres',
      'process',
      'redis',
      'vm',
    ]);
    expect(store).toMatchObject({ location: shop.workspace.path('snapshots'), problems: [] });
    expect((await shop.run(['doctor'])).stdout).toMatch(/^ {4}pg_dump, pg_restore and psql \d+/m);
  });

  test('install puts the plugin where terraform and tofu look, once', async () => {
    const home = shop.workspace.path('home');
    for (const engine of ['terraform', 'opentofu']) {
      const first = await shop.run(['install', engine, '--json'], { HOME: home });
      expectStatus(first, 0);
      const { path, changed } = first.json() as { path: string; changed: boolean };
      expect(changed).toBe(true);
      expect(path.startsWith(home)).toBe(true);
      expect((await stat(path)).mode & 0o111).toBe(0o111);
      const again = await shop.run(['install', engine], { HOME: home });
      expect(again.stdout).toMatch(/was installed for .* already, as \//);
    }
  });
});

async function largestFile(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const sizes = await Promise.all(files.map(async (path) => ({ path, size: (await stat(path)).size })));
  return sizes.sort((a, b) => b.size - a.size)[0]!.path;
}

async function flipByte(path: string): Promise<void> {
  const bytes = await readFile(path);
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = bytes[middle]! ^ 1;
  await writeFile(path, bytes);
}
