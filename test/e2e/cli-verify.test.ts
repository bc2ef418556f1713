import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Shop } from './cli/shop.ts';
import { expectStatus } from './cli/stasis.ts';

/** As many random bytes as one after another are tried with the program itself; the store's own suite tries 200. */
const FLIPS = 24;
/** What is under these belongs to writers that live, and to no snapshot. */
const OF_WRITERS = /^stasis\/(locks|drafts|tmp)\//;

let shop: Shop;
let store: string;
let files: readonly string[];

beforeAll(async () => {
  shop = await Shop.open();
  await shop.workspace.inputs('app.yaml', shop.app);
  for (let generation = 1; generation <= 2; generation += 1)
    expectStatus(await shop.run(['capture', '-f', 'app.yaml']), 0);
  expectStatus(await shop.run(['pin', 'shop:1', '--note', 'kept']), 0);
  store = shop.workspace.path('rotten');
  await cp(shop.workspace.path('snapshots'), store, { recursive: true });
  const entries = await readdir(store, { recursive: true, withFileTypes: true });
  files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !OF_WRITERS.test(relative(store, file)));
}, 180_000);
afterAll(() => shop?.[Symbol.asyncDispose]());

interface Verified {
  readonly status: number | null;
  /** Sentences about what is wrong. */
  readonly said: readonly string[];
}

async function verify(...reference: readonly string[]): Promise<Verified> {
  const ran = await shop.run(['verify', ...reference, '--store', 'rotten', '--json']);
  const { error, findings = [] } = ran.json() as {
    error?: { message: string };
    findings?: readonly { message: string }[];
  };
  return { status: ran.status, said: error ? [error.message] : findings.map(({ message }) => message) };
}

/** Changes one byte, looks, and puts it right again. */
async function flipped<T>(file: string, at: number, look: () => Promise<T>): Promise<T> {
  const original = await readFile(file);
  const changed = Buffer.from(original);
  changed[at] = changed[at]! ^ (1 + Math.floor(Math.random() * 255));
  await writeFile(file, changed);
  try {
    return await look();
  } finally {
    await writeFile(file, original);
  }
}

const DAMAGE = /sha256:|index\.json|oci-layout|\.json is damaged|of the store .* cannot be read/;

test('a store in which nothing is wrong is whole, with every snapshot in it', async () => {
  const ran = await shop.run(['verify', '--store', 'rotten', '--json']);
  expectStatus(ran, 0);
  expect(ran.json()).toMatchObject({
    store,
    whole: true,
    findings: [],
    snapshots: [{ sharp: true }, { sharp: true }],
  });
  const drawn = await shop.run(['verify', '--store', 'rotten']);
  expect(drawn.stdout).toMatch(/rotten +whole\n {2}2 snapshots read and hashed in .*, 2 sharp\n/);
});

test(`${FLIPS} flipped bytes anywhere in the store are each found, and named`, async () => {
  for (let flip = 0; flip < FLIPS; flip += 1) {
    // Each kind of file is met: a random one of all, by turns with those that are neither pack nor map.
    const small = files.filter((file) => !file.includes('/blobs/'));
    const among = flip % 2 === 0 ? files : small;
    const file = among[Math.floor(Math.random() * among.length)]!;
    const at = Math.floor(Math.random() * (await readFile(file)).length);
    const found = await flipped(file, at, () => verify());
    const place = `${relative(store, file)} at ${at}`;
    expect([place, found.status]).toEqual([place, 1]);
    expect([place, found.said.length > 0 && found.said.every((text) => DAMAGE.test(text))]).toEqual([
      place,
      true,
    ]);
  }
  expect(await verify()).toEqual({ status: 0, said: [] });
}, 300_000);

test('in what one snapshot needs they are found by its own verify as well', async () => {
  const shown = (await shop.run(['list', 'shop', '--json'])).json() as { snapshots: { digest: string }[] };
  const newest = shown.snapshots[0]!.digest.replace('sha256:', '');
  const { config, layers } = JSON.parse(await readFile(join(store, 'blobs/sha256', newest), 'utf8')) as {
    config: { digest: string };
    layers: readonly { digest: string }[];
  };
  const needed = [newest, ...[config, ...layers].map(({ digest }) => digest.replace('sha256:', ''))];
  const own = files.filter(
    (file) =>
      needed.includes(basename(file)) || ['index.json', 'oci-layout', 'shop.json'].includes(basename(file)),
  );
  expect(own.length).toBe(needed.length + 3);
  for (const file of own) {
    const text = (await readFile(file)).toString('latin1');
    // In the index, a byte of the entry of this very snapshot.
    const at = Math.max(0, text.indexOf('"cutAt') + 12, text.lastIndexOf('dev.stasis.cut-at') + 21);
    const found = await flipped(file, Math.min(at, text.length - 1), () => verify('shop'));
    expect([relative(store, file), found.status === 0, found.said.length > 0]).toEqual([
      relative(store, file),
      false,
      true,
    ]);
  }
  expect(await verify('shop')).toEqual({ status: 0, said: [] });
}, 180_000);
