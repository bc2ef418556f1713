import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import {
  ask,
  capture,
  compareWithServer,
  differences,
  entriesOf,
  fill,
  host,
  redis,
  restore,
  tell,
} from '../../../test/support/redis-capture.ts';
import { type RedisBinary, startRedis } from '../../../test/support/redis-server.ts';
import { redisVersions } from '../../../test/support/redis-versions.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import type { Command } from './connection.ts';

const { servers } = await redisVersions();
const USERS = ['app on >hunter2 ~app:* resetchannels &news +@read +set', 'off-duty off nopass -@all'];

describe('between all versions', () => {
  const title = ({ product, version }: RedisBinary) => `${product} ${version}`;
  const pairs = servers.flatMap((source) =>
    servers.map((target) => ({ source, target, from: title(source), to: title(target) })),
  );

  test.each(pairs)('$from into $to: the same, or refused at plan time', async ({ source, target }) => {
    await using from = await startRedis({ binary: source.path, users: USERS });
    await using into = await startRedis({ binary: target.path, password: 'another' });
    await fill(from);
    const captured = await capture({ url: from.url });
    expect(await compareWithServer(captured, { url: from.url })).toMatchObject({ differenceCount: 0 });
    const plan = await redis.planRestore({ url: into.url }, host, captured.from, testContext());
    expect(plan).toMatchObject({ empty: true, restoredBy: undefined });
    // By what it reads: Valkey 8 is as Redis 7.2 was, Valkey 9 has hashes with fields that expire.
    const rank = ({ product, version }: RedisBinary) =>
      product === 'redis' ? Number.parseFloat(version) : Number.parseFloat(version) >= 9 ? 8.2 : 7.2;
    if (rank(target) < rank(source)) {
      expect(plan.problems).toMatchObject([{ code: 'redis.target-older', at: ['url'] }]);
      return;
    }
    expect(plan.problems).toEqual([]);
    await using held = await restore(into, captured);
    expect(await differences(captured, held)).toEqual([]);
    expect(await ask(into, 0, 'EXISTS', 'compressed')).toBe('0');
    await held.release();
    expect(await compareWithServer(captured, { url: into.url })).toMatchObject({ differenceCount: 0 });
    expect(await into.cli('ACL', 'LIST')).toContain('user app on ');
    expect(await ask(into, 0, 'GET', 'expires')).toBe('soon');
    const again = await redis.planRestore({ url: into.url }, host, captured.from, testContext());
    expect(again).toMatchObject({ empty: false, restoredBy: 'restore-1' });
  });
});

const redisOf = (suits: (major: number) => boolean) =>
  servers.find(({ product, version }) => product === 'redis' && suits(Number.parseFloat(version)));
/** It has modules of its own. */
const withModule = redisOf((major) => major >= 8);
const withoutModule = redisOf((major) => major < 8);
const NO_MODULE = withModule ? undefined : 'no Redis 8, which has modules of its own, is on this machine';
const NONE_WITHOUT = withoutModule ? undefined : 'no Redis older than 8 is on this machine';

/** A server with fifty values of a module, and what a capture makes of them. */
async function capturedVectors(scope: AsyncDisposableStack) {
  const source = scope.use(await startRedis({ binary: withModule!.path }));
  const vectors = Array.from(
    { length: 50 },
    (_, index): Command => [
      'VADD',
      'vectors',
      'VALUES',
      '2',
      String(index),
      String(index % 7),
      `name-${index}`,
    ],
  );
  await tell(source, ...vectors);
  return capture({ url: source.url });
}

testUnless(NO_MODULE)('values of a module come back, where the target has it', async () => {
  await using scope = new AsyncDisposableStack();
  const captured = await capturedVectors(scope);
  expect(captured.from.content).toMatchObject({ modules: ['vectorset'] });
  await using target = await startRedis({ binary: withModule!.path });
  await using held = await restore(target, captured);
  expect(await differences(captured, held)).toEqual([]);
  await held.release();
  expect(await ask(target, 0, 'VCARD', 'vectors')).toBe('50');
  await tell(target, ['VREM', 'vectors', 'name-3']);
  expect((await compareWithServer(captured, { url: target.url })).differences).toMatchObject([
    { object: 'db/0/key/vectors', kind: 'changed' },
  ]);
});

testUnless(NO_MODULE ?? NONE_WITHOUT)('a target without the module is refused at plan time', async () => {
  await using scope = new AsyncDisposableStack();
  const captured = await capturedVectors(scope);
  await using older = await startRedis({ binary: withoutModule!.path });
  const plan = await redis.planRestore({ url: older.url }, host, captured.from, testContext());
  expect(plan.problems).toMatchObject([{ code: 'redis.module-missing', at: ['url'] }]);
});

describe.each([...servers])('$product $version', ({ path: binary, product, version }) => {
  const major = Number.parseFloat(version);
  const functions = product === 'valkey' || major >= 7;
  const fieldExpiry = product === 'valkey' || major >= 7.4;

  test('each thing that changed is named, and nothing else', async () => {
    await using source = await startRedis({ binary, users: USERS });
    await fill(source);
    const captured = await capture({ url: source.url });
    const changes: readonly (readonly [object: string, kind: string, db: string, ...command: Command])[] = [
      ['db/0/key/compressed', 'changed', '0', 'SETRANGE', 'compressed', '7', 'X'],
      ['db/0/key/expires', 'changed', '0', 'PEXPIRE', 'expires', '7200000'],
      ['db/0/key/list:small', 'changed', '0', 'PERSIST', 'list:small'],
      ['db/0/key/list:large', 'changed', '0', 'LSET', 'list:large', '1500', 'other'],
      ['db/0/key/list:sizes', 'changed', '0', 'LMOVE', 'list:sizes', 'list:sizes', 'LEFT', 'RIGHT'],
      ['db/0/key/set:int64', 'changed', '0', 'SADD', 'set:int64', '2'],
      ['db/0/key/set:large', 'changed', '0', 'SREM', 'set:large', 'item-5'],
      ['db/0/key/hash:small', 'changed', '0', 'HSET', 'hash:small', 'a', '2'],
      ['db/0/key/hash:wide', 'changed', '0', 'HSET', 'hash:wide', 'another', ''],
      ['db/0/key/zset:large', 'changed', '0', 'ZINCRBY', 'zset:large', '0.0001', 'item-7'],
      ['db/0/key/zset:edge', 'changed', '0', 'ZADD', 'zset:edge', '0.3', 'c'],
      ['db/0/key/bits', 'changed', '0', 'SETBIT', 'bits', '99999', '1'],
      ['db/0/key/stream:large', 'changed', '0', 'XDEL', 'stream:large', '9-2'],
      ['db/0/key/stream:emptied', 'changed', '0', 'XSETID', 'stream:emptied', '10-0'],
      ['db/0/group/stream:groups\\/busy', 'changed', '0', 'XACK', 'stream:groups', 'busy', '1-0'],
      ['db/0/group/stream:groups\\/idle', 'changed', '0', 'XGROUP', 'SETID', 'stream:groups', 'idle', '3-0'],
      ['db/0/group/stream:made\\/first', 'missing', '0', 'XGROUP', 'DESTROY', 'stream:made', 'first'],
      ['db/3/key/set', 'missing', '3', 'DEL', 'set'],
      ['db/7/key/new \\x00 \\xff', 'extra', '7', 'SET', Buffer.from('new \0 \xff', 'latin1'), '1'],
      ['db/15/key/last', 'changed', '15', 'APPEND', 'last', ' one'],
      ['acl/app', 'changed', '0', 'ACL', 'SETUSER', 'app', '-set'],
      ...(functions ? ([['function/mylib', 'missing', '0', 'FUNCTION', 'DELETE', 'mylib']] as const) : []),
      ...(fieldExpiry
        ? ([
            [
              'db/0/field/fields:small\\/goes',
              'changed',
              '0',
              'HPEXPIRE',
              'fields:small',
              '7200000',
              'FIELDS',
              '1',
              'goes',
            ],
            ['db/0/key/fields:large', 'changed', '0', 'HSET', 'fields:large', 'item-100', 'other'],
          ] as const)
        : []),
    ];
    for (const [, , db, ...command] of changes) await tell(source, ['SELECT', db], command);
    const compared = await compareWithServer(captured, { url: source.url });
    expect(compared.differences.map(({ object, kind }) => `${kind} ${object}`).sort()).toEqual(
      changes.map(([object, kind]) => `${kind} ${object}`).sort(),
    );
  });

  test('an empty server is captured and restored as one', async () => {
    await using source = await startRedis({ binary });
    await using target = await startRedis({ binary });
    const captured = await capture({ url: source.url });
    expect(captured.from.summary).toBe('0 keys');
    const objects = (await entriesOf(captured.fingerprint())).map(({ object }) => object);
    expect(objects).toEqual(['setting/maxmemory-policy']);
    await using held = await restore(target, captured);
    await held.release();
    expect(await differences(captured, held)).toEqual([]);
    expect(await ask(target, 0, 'DBSIZE')).toBe('1');
  });

  test('expiry times stay, or move by how long ago the cut was', async () => {
    await using source = await startRedis({ binary });
    await using target = await startRedis({ binary });
    const now = Date.now();
    await tell(
      source,
      ['SET', 'soon', '1', 'PXAT', String(now + 1_500)],
      ['SET', 'later', '1', 'PXAT', String(now + 3_600_000)],
      ['SET', 'never', '1'],
    );
    if (fieldExpiry)
      await tell(
        source,
        ['HSET', 'hash', 'a', '1', 'b', '2'],
        ['HPEXPIREAT', 'hash', String(now + 1_600), 'FIELDS', '1', 'a'],
      );
    const captured = await capture({ url: source.url });
    await sleep(2_000);
    {
      await using held = await restore(target, captured);
      expect(await differences(captured, held)).toEqual([]);
      await held.release();
      expect(await ask(target, 0, 'EXISTS', 'soon', 'later', 'never')).toBe('2');
      const left = Number(await ask(target, 0, 'PTTL', 'later'));
      expect(Math.abs(now + 3_600_000 - Date.now() - left)).toBeLessThan(1_000);
      if (fieldExpiry) expect(await ask(target, 0, 'HGETALL', 'hash')).toBe('b\n2');
    }
    await using held = await restore(target, captured, {
      overwrite: true,
      expiry: 'remaining',
      cutAtMs: now - 10_000,
      restoreId: 'two',
    });
    expect(await differences(captured, held)).toEqual([]);
    await held.release();
    expect(await ask(target, 0, 'EXISTS', 'soon', 'later', 'never')).toBe('3');
    const left = Number(await ask(target, 0, 'PTTL', 'later'));
    expect(left).toBeGreaterThan(3_600_000 + 5_000);
    if (fieldExpiry) expect(await ask(target, 0, 'HGET', 'hash', 'a')).toBe('1');
    // A retry of the same restore finds it as it was left.
    expect(await compareWithServer(captured, { url: target.url })).toMatchObject({ differenceCount: 0 });
  });
});
