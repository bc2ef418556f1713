import { mkdir, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Store } from '../../provider/core/store.ts';
import { ociLayout } from '../../provider/stores/oci-layout/type.ts';
import { testContext } from '../support/context.ts';
import { expectStatus, type Refused, Workspace } from './cli/stasis.ts';

const ANOTHER = 'terraform:/srv/shop';

let workspace: Workspace;
let store: Store;

beforeAll(async () => {
  workspace = await Workspace.create();
  await mkdir(workspace.path('receipts'));
  await writeFile(workspace.path('receipts/1.txt'), 'receipt');
  await workspace.inputs('app.yaml', 'name: shop\nmembers: { a: { files: { path: receipts } } }\n');
  expectStatus(await workspace.run(['capture', '-f', 'app.yaml']), 0);
  store = await ociLayout.open({ path: workspace.path('snapshots') }, testContext());
  await store.adopt('shop', ANOTHER);
}, 60_000);
afterAll(() => workspace?.[Symbol.asyncDispose]());

const capture = (...more: readonly string[]) =>
  workspace.run(['capture', '-f', 'app.yaml', '--json', ...more]);
const owner = async () => {
  const record = await store.name('shop');
  return [record?.owner, record?.generations.length];
};

test("a name that is another's is refused, saying whose it is and how to take it over", async () => {
  for (const ran of [await capture(), await workspace.run(['plan', '-f', 'app.yaml', '--json'])])
    expectStatus(ran, 2);
  const { error } = (await capture()).json() as unknown as { error: Refused };
  expect(error).toMatchObject({ code: 'store.owned', at: ['name'], line: 1 });
  expect(error.message).toContain(ANOTHER);
  expect(error.hint).toContain('--adopt');
  expect(await owner()).toEqual([ANOTHER, 1]);
}, 60_000);

test('--adopt takes nothing over where the plan is refused for another reason', async () => {
  await workspace.inputs('bad.yaml', 'name: shop\nmembers: { a: { files: { path: nowhere } } }\n');
  const ran = await workspace.run(['capture', '-f', 'bad.yaml', '--adopt', '--json']);
  expectStatus(ran, 2);
  expect(await owner()).toEqual([ANOTHER, 1]);
});

test('--adopt takes the name over, for good', async () => {
  const ran = await capture('--adopt');
  expectStatus(ran, 0);
  expect(ran.json()).toMatchObject({ generation: 2, owner: 'cli' });
  expectStatus(await capture(), 0);
  expectStatus(await capture('--adopt'), 0);
  expect(await owner()).toEqual(['cli', 4]);
}, 60_000);

test("what another tool has copied here is nobody's, and taken without asking", async () => {
  await rm(workspace.path('snapshots/stasis/names/shop.json'));
  expect(await owner()).toEqual(['', 4]);
  expectStatus(await capture(), 0);
  expect(await owner()).toEqual(['cli', 5]);
}, 60_000);
