import { chmod, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startRedis } from '../support/redis-server.ts';
import { freePort } from '../support/server-process.ts';
import { testUnless } from '../support/skipped.ts';
import { mountSmallDisk, whyNoSmallDisk } from '../support/small-disk.ts';
import { PLANTED, Shop, variable } from './cli/shop.ts';
import { expectStatus, type Refused } from './cli/stasis.ts';

const IS_ROOT = process.getuid?.() === 0;
const NO_DISK = await whyNoSmallDisk();

let shop: Shop;
let closedPort = 0;

beforeAll(async () => {
  shop = await Shop.open();
  await shop.workspace.inputs('app.yaml', shop.app);
  closedPort = await freePort();
  await mkdir(shop.workspace.path('empty'));
  await oldClients(shop.workspace.path('old-clients'));
}, 120_000);
afterAll(() => shop?.[Symbol.asyncDispose]());

/** A program that says it is of a version long gone. */
async function oldClients(folder: string): Promise<void> {
  await mkdir(folder);
  for (const name of ['pg_dump', 'pg_restore', 'psql']) {
    await writeFile(join(folder, name), `#!/bin/sh\necho "${name} (PostgreSQL) 9.6.24"\n`);
    await chmod(join(folder, name), 0o755);
  }
}

/** What is refused is refused by `plan` and `capture` alike, with 2, and no store is made. */
async function refused(yaml: string, args: readonly string[] = []): Promise<Refused> {
  await shop.workspace.inputs('bad.yaml', yaml);
  const planned = await shop.run(['plan', '-f', 'bad.yaml', '--json', ...args]);
  const ran = await shop.run(['capture', '-f', 'bad.yaml', '--json', ...args]);
  for (const text of [planned.stdout, planned.stderr, ran.stdout, ran.stderr])
    expect(text).not.toContain(PLANTED);
  expect([planned.status, ran.status]).toEqual([2, 2]);
  const { error } = ran.json() as unknown as { error: Refused };
  expect(ran.stderr).toContain(`[${error.code}]`);
  expect(ran.stderr).toContain(error.message);
  if (error.line !== undefined) expect(ran.stderr).toContain(`  at bad.yaml:${error.line}:`);
  return error;
}

/** A Snapshot of these members, whose lines begin at line 3. */
function members(...lines: readonly string[]): string {
  return ['name: bad', 'members:', ...lines].join('\n');
}

describe('a mistake in the file is told with code, sentence and line, and nothing is touched', () => {
  test.each<[string, () => string, Partial<Refused>]>([
    [
      'an unknown attribute',
      () => members('  a:', '    files:', '      path: receipts', '      exclud: []'),
      { code: 'input.unknown-attribute', at: ['members', 'a', 'files', 'exclud'], line: 6 },
    ],
    [
      'an unknown driver',
      () => members('  a: { oracle: { url: x } }'),
      { code: 'input.unknown-attribute', at: ['members', 'a', 'oracle'], line: 3 },
    ],
    [
      'a value of the wrong type',
      () => `${members('  a: { files: { path: receipts } }')}\nmaxPauseMs: soon\n`,
      { code: 'input.invalid', at: ['maxPauseMs'], line: 4 },
    ],
    [
      'no name',
      () => 'members: { a: { files: { path: receipts } } }\n',
      { code: 'input.invalid', at: ['name'] },
    ],
    [
      'what we compute ourselves',
      () => members('  a:', '    files: { path: receipts, endpoint: x }'),
      { code: 'input.computed', at: ['members', 'a', 'files', 'endpoint'], line: 4 },
    ],
    [
      'a Redis that cannot be reached',
      () => members('  a:', '    redis:', `      url: redis://:${PLANTED}@127.0.0.1:${closedPort}`),
      { code: 'redis.unreachable', at: ['members', 'a', 'redis', 'url'], line: 5 },
    ],
    [
      'a wrong password of Redis',
      () => members('  a:', '    redis:', `      url: redis://:${PLANTED}-no@127.0.0.1:${shop.redis.port}`),
      { code: 'redis.password', at: ['members', 'a', 'redis', 'url'], line: 5 },
    ],
    [
      'a database that is not there',
      () => members('  a:', '    postgres:', `      url: ${shop.postgres.url('nowhere')}`),
      { code: 'postgres.no-database', line: 5 },
    ],
    [
      'client programs that are too old',
      () =>
        members(
          '  a:',
          '    postgres:',
          `      url: ${variable('ORDERS_URL')}`,
          `      clientPath: ${shop.workspace.path('old-clients')}`,
        ),
      { code: 'postgres.client-too-old', at: ['members', 'a', 'postgres', 'clientPath'], line: 6 },
    ],
    [
      'two members on the same Redis, written differently',
      () =>
        members(
          `  a: { redis: { url: "${variable('SESSIONS_URL')}" } }`,
          `  b: { redis: { url: "${shop.redis.url}/0" } }`,
        ),
      { code: 'members.same-system', line: 4 },
    ],
    [
      'a store within a captured folder',
      () => `${members('  a: { files: { path: receipts } }')}\nstore:\n  path: receipts/snapshots\n`,
      { code: 'store.inside-member', line: 4 },
    ],
  ])('%s', async (_name, yaml, expected) => {
    const error = await refused(yaml());
    expect(error).toMatchObject(expected);
    expect(error.message).toMatch(/[.!?]$/);
    expect(await readdir(shop.workspace.folder)).not.toContain('snapshots');
    expect(await readdir(shop.receipts)).toHaveLength(50);
  });

  test('all that is wrong is told at once', async () => {
    await shop.workspace.inputs(
      'bad.yaml',
      members(
        `  a: { redis: { url: "redis://127.0.0.1:${closedPort}" } }`,
        '  b: { files: { path: nowhere } }',
      ),
    );
    const ran = await shop.run(['capture', '-f', 'bad.yaml', '--json']);
    const { error, more } = ran.json() as unknown as { error: Refused; more: Refused[] };
    expect([error, ...more].map(({ line }) => line)).toEqual([3, 4]);
  });

  test('a Redis that refuses SYNC', async () => {
    await using managed = await startRedis({ config: { 'rename-command': 'SYNC ""' } });
    const error = await refused(members('  a:', '    redis:', `      url: ${managed.url}`));
    expect(error).toMatchObject({
      code: 'redis.sync-refused',
      at: ['members', 'a', 'redis', 'url'],
      line: 5,
    });
    expect(await managed.cli('SET', 'it', 'runs')).toBe('OK');
  });

  test('client programs are looked for from where we are', async () => {
    const yaml = (path: string) =>
      members(`  a: { postgres: { url: "${variable('ORDERS_URL')}", clientPath: ${path} } }`);
    await symlink(shop.postgres.binDir, shop.workspace.path('clients'));
    await shop.workspace.inputs('relative.yaml', yaml('clients'));
    expectStatus(await shop.run(['plan', '-f', 'relative.yaml']), 0);
    expect(await refused(yaml('no/clients'))).toMatchObject({ code: 'postgres.client-missing' });
  });

  test('a variable that the environment lacks, and a file that is not there', async () => {
    expect(await refused(`name: ${variable('NOWHERE')}\n`)).toMatchObject({
      code: 'document.variable-missing',
      line: 1,
      at: [],
    });
    const ran = await shop.run(['capture', '-f', 'absent.yaml', '--json']);
    expect([ran.status, ran.json()]).toMatchObject([2, { error: { code: 'document.unreadable' } }]);
  });
});

describe('a store that cannot be written', () => {
  const app = () => members('  a: { files: { path: receipts } }');

  // Root may write into a folder whatever its mode; not into a disk that is mounted read-only.
  testUnless(IS_ROOT ? NO_DISK : undefined)('because it is read-only', async () => {
    await using resources = new AsyncDisposableStack();
    const path = shop.workspace.path('read-only');
    if (IS_ROOT) resources.use(await mountSmallDisk(path, 'ro'));
    else await mkdir(path, { mode: 0o555 });
    expect(await refused(app(), ['--store', 'read-only'])).toMatchObject({ code: 'store.read-only' });
  });

  testUnless(NO_DISK)('because its disk is full', async () => {
    await using _disk = await mountSmallDisk(shop.workspace.path('small'), 'size=64k');
    await mkdir(shop.workspace.path('large'));
    await writeFile(shop.workspace.path('large/file'), Buffer.alloc(1_000_000, 1));
    const large = members('  a: { files: { path: large } }');
    expect(await refused(large, ['--store', 'small/snapshots'])).toMatchObject({ code: 'store.no-space' });
  });
});
