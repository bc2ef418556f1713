import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { PLANTED, Shop } from './cli/shop.ts';
import { expectStatus, filesHolding } from './cli/stasis.ts';

let shop: Shop;

beforeAll(async () => {
  shop = await Shop.open();
  await shop.workspace.inputs('app.yaml', shop.app);
  await shop.workspace.inputs('target.yaml', shop.target);
  await mkdir(shop.workspace.path('tmp'));
}, 120_000);
afterAll(() => shop?.[Symbol.asyncDispose]());

/** The command lines and environments of others are what a neighbour sees of them: argv is public, environ is not. */
async function argvHolding(text: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const argv = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (argv.includes(text)) found.push(argv.replaceAll('\0', ' '));
  }
  return found;
}

describe('a planted password', () => {
  test('is in no output at trace level, no argv, no temporary file, and not in the store', async () => {
    const folders = [shop.workspace.path('tmp'), shop.workspace.path('snapshots')];
    const seen = new Set<string>();
    let isWatching = true;
    const watching = (async () => {
      while (isWatching) {
        for (const argv of await argvHolding(PLANTED)) seen.add(argv);
        for (const folder of folders)
          for (const path of await filesHolding(folder, [PLANTED]).catch(() => [])) seen.add(path);
        await delay(20);
      }
    })();
    const env = { TMPDIR: shop.workspace.path('tmp') };
    const commands = [
      ['plan', '-f', 'app.yaml'],
      ['capture', '-f', 'app.yaml'],
      ['capture', '-f', 'app.yaml', '--json'],
      ['show', 'shop', '--json'],
      ['plan', 'shop', '-f', 'target.yaml', '--json'],
      ['restore', 'shop', '-f', 'target.yaml'],
      ['compare', 'shop', '-f', 'target.yaml', '--json'],
      ['doctor', '--json'],
    ];
    let said = '';
    try {
      for (const command of commands) {
        const ran = await shop.run([...command, '--log-level', 'trace'], env);
        expectStatus(ran, 0);
        said += ran.stdout + ran.stderr;
      }
    } finally {
      isWatching = false;
      await watching;
    }
    expect([...seen]).toEqual([]);
    expect(said).not.toContain(PLANTED);
    expect(said).toMatch(/ (trace|debug|info) /);
    expect(await filesHolding(shop.workspace.path('snapshots'), [PLANTED])).toEqual([]);
  });

  test('the search itself finds what is planted where it can be seen', async () => {
    await shop.workspace.inputs('planted.txt', PLANTED);
    expect(await filesHolding(shop.workspace.folder, [PLANTED])).toEqual([
      shop.workspace.path('planted.txt'),
    ]);
    // Until its standard input ends.
    const child = spawn('cat', ['-'], {
      argv0: `cat ${PLANTED}`,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    try {
      await once(child, 'spawn');
      expect(await argvHolding(PLANTED)).toEqual([`cat ${PLANTED} - `]);
    } finally {
      child.stdin.end();
      await once(child, 'close');
    }
  });
});
