import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type TestContext, testContext } from '../../../../test/support/context.ts';
import {
  ask,
  capture,
  compareWithServer,
  differences,
  fill,
  host,
  redis,
  restore,
  stateOf,
  type TestCapture,
} from '../../../../test/support/redis-capture.ts';
import {
  type RedisServer,
  type RedisServerOptions,
  startRedis,
} from '../../../../test/support/redis-server.ts';
import { redisVersions } from '../../../../test/support/redis-versions.ts';
import { testUnless } from '../../../../test/support/skipped.ts';
import { Connection } from '../connection.ts';
import { STAND_IN_USER } from './stop-following.ts';

type Refusing = Pick<RedisServerOptions, 'users' | 'config'>;

const { servers } = await redisVersions();
const CHILD = join(import.meta.dirname, '../../../../test/support/redis-follow-and-wait.ts');
/** The lease is 10 s; a busy machine takes its time for the rest. */
const FREE_MS = 60_000;
const TEST_MS = 240_000;

/** Why a restore fell back to RESTORE; undefined where it did not. */
function fellBack({ lines }: TestContext): string | undefined {
  const line = lines.find(({ message }) => message.includes('loaded by RESTORE'));
  return line && String(line.fields.reason);
}

/** The server runs by itself, and knows nothing of a stand-in. */
async function expectFree(server: RedisServer): Promise<void> {
  const untilMs = performance.now() + FREE_MS;
  const state = async (): Promise<object> => ({
    role: /role:(\w+)/.exec(await server.cli('INFO', 'replication'))?.[1],
    user: (await server.cli('CONFIG', 'GET', 'masteruser')).split('\n')[1] ?? '',
    password: (await server.cli('CONFIG', 'GET', 'masterauth')).split('\n')[1] ?? '',
  });
  const free = { role: 'master', user: '', password: '' };
  let now = await state();
  while (JSON.stringify(now) !== JSON.stringify(free) && performance.now() < untilMs) {
    await sleep(50);
    now = await state();
  }
  expect(now).toEqual(free);
  expect(await server.cli('SET', 'probe', '1')).toBe('OK');
  await server.cli('DEL', 'probe');
}

describe.each([...servers])('$product $version', ({ path: binary, version }) => {
  let source: RedisServer;
  let captured: TestCapture;

  beforeAll(async () => {
    source = await startRedis({ binary });
    await fill(source);
    // Large enough to be worth a replication, in a database of its own, and few enough for RESTORE to be quick.
    const lines = `for i = 1, 4000 do redis.call('SET', 'bulk:' .. i, string.rep(tostring(i), 2500)) end`;
    await source.cli('-n', '7', 'EVAL', lines, '0');
    captured = await capture({ url: source.url });
  }, TEST_MS);
  afterAll(async () => {
    await source.stop();
  });

  test(
    'what is loaded by replication is what RESTORE loads, unseen until it is released',
    async () => {
      await using target = await startRedis({ binary, password: 'of-the-target' });
      const context = testContext();
      const entries: unknown[] = [];
      const journal = async (entry: unknown) => void entries.push(entry);
      await using held = await restore(target, captured, { journal }, context);
      expect(fellBack(context)).toBeUndefined();
      expect(entries).toMatchObject([{ kind: 'restore' }, { kind: 'follow', host: '127.0.0.1' }]);
      await expectFree(target);
      expect(await differences(captured, held)).toEqual([]);
      expect(await target.cli('INFO', 'keyspace')).not.toMatch(/db[0-7]:/);
      await held.release();
      expect(await compareWithServer(captured, { url: target.url })).toMatchObject({ differenceCount: 0 });

      await using other = await startRedis({ binary, config: { masterauth: 'of-another-master' } });
      const slow = testContext();
      await using byRestore = await restore(other, captured, {}, slow);
      expect(fellBack(slow)).toContain('"masterauth" of the target');
      await byRestore.release();
      expect(await other.cli('CONFIG', 'GET', 'masterauth')).toContain('of-another-master');
      expect(await stateOf(target)).toEqual(await stateOf(other));
    },
    TEST_MS,
  );

  test('one that is not released leaves the target as empty as it was', async () => {
    await using target = await startRedis({ binary });
    const context = testContext();
    {
      await using _held = await restore(target, captured, {}, context);
      expect(fellBack(context)).toBeUndefined();
    }
    expect(await target.cli('INFO', 'keyspace')).toBe('# Keyspace\r');
    await expectFree(target);
  });

  const refusing: readonly (readonly [string, Refusing, RegExp])[] = [
    ['may not be told to follow', { users: ['app on >pw ~* &* +@all -replicaof'] }, /may not/],
    ['has the command renamed', { config: { 'rename-command': 'REPLICAOF ""' } }, /may not|refused/],
    ['reaches us from elsewhere', { config: { 'bind-source-addr': '127.0.0.2' } }, /took longer/],
    ['may not swap databases', { users: ['app on >pw ~* &* +@all -swapdb'] }, /beside/],
  ];
  for (const [what, options, why] of refusing) {
    const cannot =
      options.config?.['bind-source-addr'] && version.startsWith('6.')
        ? `Redis ${version} cannot be told where to connect from`
        : undefined;
    testUnless(cannot)(
      `a target that ${what} is loaded by RESTORE, and a note says why`,
      async () => {
        await using target = await startRedis({ binary, ...options });
        const url = options.users ? target.urlFor('app', 'pw') : target.url;
        const context = testContext();
        await using held = await restore({ ...target, url } as RedisServer, captured, {}, context);
        expect(fellBack(context)).toMatch(why);
        await held.release();
        expect(await compareWithServer(captured, { url: target.url })).toMatchObject({ differenceCount: 0 });
        await expectFree(target);
      },
      TEST_MS,
    );
  }

  test(
    'a target that a Sentinel watches is loaded by RESTORE',
    async () => {
      await using target = await startRedis({ binary });
      await using watcher = await Connection.open({ url: target.url }, new AbortController().signal);
      await watcher.call(['CLIENT', 'SETNAME', 'sentinel-1f2e3d4c-cmd']);
      const context = testContext();
      await using held = await restore(target, captured, {}, context);
      expect(fellBack(context)).toContain('Sentinel');
      expect(await differences(captured, held)).toEqual([]);
    },
    TEST_MS,
  );

  test('another’s data that is on the target is kept, and nothing is told to follow', async () => {
    await using target = await startRedis({ binary });
    await target.cli('-n', '12', 'SET', 'theirs', '1');
    const context = testContext();
    await using held = await restore(target, captured, { overwrite: true }, context);
    expect(fellBack(context)).toContain('not empty');
    expect(await ask(target, 12, 'GET', 'theirs')).toBe('1');
    expect(await differences(captured, held)).toEqual([]);
  });

  test(
    'if we are killed in the middle, the target is a master again within the lease, and the next restore converges',
    async () => {
      await using target = await startRedis({ binary });
      const child = spawn(process.execPath, [CHILD], {
        env: { PATH: process.env.PATH, STASIS_TEST_SOURCE: source.url, STASIS_TEST_TARGET: target.url },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const ended = once(child, 'close');
      const entries: unknown[] = [];
      let stuck = false;
      try {
        for await (const line of createInterface({ input: child.stdout })) {
          stuck = line === 'stuck';
          if (stuck) break;
          entries.push(JSON.parse(line));
        }
        expect(stuck).toBe(true);
        expect(await target.cli('INFO', 'replication')).toContain('role:slave');
        expect(await target.cli('CONFIG', 'GET', 'masteruser')).toContain(STAND_IN_USER);
        const plan = await redis.planRestore({ url: target.url }, host, captured.from, testContext());
        expect(plan).toMatchObject({ problems: [], empty: true });
      } finally {
        child.kill('SIGKILL');
        await ended;
      }
      await expectFree(target);
      for (const entry of entries.toReversed())
        await redis.undo({ url: target.url }, host, entry, testContext());
      expect(await target.cli('INFO', 'keyspace')).toBe('# Keyspace\r');
      await using held = await restore(target, captured);
      await held.release();
      expect(await compareWithServer(captured, { url: target.url })).toMatchObject({ differenceCount: 0 });
    },
    TEST_MS,
  );

  test('where the lease died as well, the journal lets the target go; who follows somebody else goes on', async () => {
    await using target = await startRedis({ binary });
    const entry = { kind: 'follow', host: '127.0.0.1', port: 9 };
    const undo = () => redis.undo({ url: target.url }, host, entry, testContext());
    await target.cli('CONFIG', 'SET', 'masteruser', STAND_IN_USER);
    await target.cli('CONFIG', 'SET', 'masterauth', 'one-time');
    await target.cli('REPLICAOF', '127.0.0.1', '9');
    await undo();
    await expectFree(target);
    await undo();
    await target.cli('REPLICAOF', '127.0.0.1', String(source.port));
    await undo();
    expect(await target.cli('INFO', 'replication')).toContain('role:slave');
    const plan = await redis.planRestore({ url: target.url }, host, captured.from, testContext());
    expect(plan.problems).toMatchObject([{ code: 'redis.replica' }]);
  });
});
