import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import {
  capture,
  compareWithServer,
  entriesOf,
  host,
  never,
  type RestoreWish,
  redis,
  restoreOptions,
  type TestCapture,
} from '../../../test/support/redis-capture.ts';
import { everything, everythingNewer, run } from '../../../test/support/redis-data.ts';
import { type RedisBinary, type RedisServer, startRedis } from '../../../test/support/redis-server.ts';
import { redisVersions } from '../../../test/support/redis-versions.ts';
import type { Digest } from '../../core/digest.ts';
import { compareFingerprints } from '../../core/fingerprint.ts';
import { type Command, Connection, text } from './connection.ts';
import { factsOf, readInfo } from './info.ts';
import { hasFieldExpiry } from './live.ts';

const { servers } = await redisVersions();
const USERS = ['app on >hunter2 ~app:* resetchannels &news +@read +set', 'off-duty off nopass -@all'];

async function fill(server: RedisServer): Promise<void> {
  await using connection = await Connection.open({ url: server.url }, never);
  const facts = factsOf(await readInfo(connection));
  await run(connection, everything());
  await run(connection, everythingNewer({ functions: facts.major >= 7, fieldExpiry: hasFieldExpiry(facts) }));
}

/** Runs commands on a connection of its own. */
async function tell(server: RedisServer, ...commands: Command[]): Promise<void> {
  await using connection = await Connection.open({ url: server.url }, never);
  await run(connection, commands);
}

async function ask(server: RedisServer, db: number, ...command: string[]): Promise<string> {
  return server.cli('-n', String(db), ...command);
}

async function restore(
  server: RedisServer,
  captured: TestCapture,
  wish: RestoreWish = {},
  context = testContext(),
) {
  return redis.restore(
    { url: server.url },
    host,
    captured.from,
    captured.blobs,
    restoreOptions(wish),
    context,
  );
}

async function differences(
  captured: TestCapture,
  held: { fingerprint(): AsyncIterable<never> | ReturnType<TestCapture['fingerprint']> },
) {
  return (await compareFingerprints(captured.fingerprint(), held.fingerprint(), Date.now())).differences;
}

/** Everything of a server, for comparing before and after. */
async function stateOf(server: RedisServer): Promise<unknown> {
  await using held = await redis.observe({ url: server.url }, host, testContext());
  return entriesOf(held.fingerprint());
}

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
    const rank = ({ product, version }: RedisBinary) =>
      product === 'valkey' ? 8.2 : Number.parseFloat(version);
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
    expect(await entriesOf(captured.fingerprint())).toEqual([]);
    await using held = await restore(target, captured);
    await held.release();
    expect(await differences(captured, held)).toEqual([]);
    expect(await ask(target, 0, 'DBSIZE')).toBe('1');
  });

  test('what is there is replaced all at once, and only when it is released', async () => {
    await using source = await startRedis({ binary });
    await using target = await startRedis({ binary });
    await tell(
      source,
      ['SET', 'both', 'new'],
      ['SET', 'only-new', '1'],
      ['SELECT', '5'],
      ['SET', 'five', '5'],
    );
    await tell(
      target,
      ['SET', 'both', 'old'],
      ['SET', 'only-old', '1'],
      ['SELECT', '9'],
      ['SET', 'nine', '9'],
    );
    const captured = await capture({ url: source.url });
    await expect(restore(target, captured)).rejects.toMatchObject({ code: 'restore.target-not-empty' });
    {
      await using held = await restore(target, captured, { overwrite: true });
      expect(await differences(captured, held)).toEqual([]);
      expect(await ask(target, 0, 'GET', 'both')).toBe('old');
      // Not released: disposal takes it back.
    }
    expect(await target.cli('INFO', 'keyspace')).toMatch(/db0:keys=2.*db9:keys=1/s);
    expect(await target.cli('INFO', 'keyspace')).not.toMatch(/db(?!0|9)\d+:/);
    await using held = await restore(target, captured, { overwrite: true, restoreId: 'second' });
    await held.release();
    expect(await ask(target, 0, 'GET', 'both')).toBe('new');
    expect(await target.cli('INFO', 'keyspace')).not.toMatch(/db(?!0|5)\d+:/);
    expect(await compareWithServer(captured, { url: target.url })).toMatchObject({ differenceCount: 0 });
  });

  test('readers see the old state or the new one, never a part of it', async () => {
    await using source = await startRedis({ binary });
    await using target = await startRedis({ binary });
    const keys = Array.from({ length: 50 }, (_, index) => `key:${index}`);
    await tell(source, ...keys.map((key): Command => ['SET', key, 'new']));
    await tell(target, ...keys.map((key): Command => ['SET', key, 'old']));
    const captured = await capture({ url: source.url });
    await using reader = await Connection.open({ url: target.url }, never);
    const seen = new Set<string>();
    let reading = true;
    const readers = (async () => {
      while (reading) {
        const values = (await reader.call(['MGET', ...keys])) as Buffer[];
        seen.add([...new Set(values.map(text))].join(' and '));
      }
    })();
    await using held = await restore(target, captured, { overwrite: true });
    await held.release();
    await sleep(20);
    reading = false;
    await readers;
    expect([...seen].sort()).toEqual(['new', 'old']);
  });

  test('where there is but one database, an empty target is filled in place, and a full one refused', async () => {
    await using source = await startRedis({ binary });
    await using target = await startRedis({ binary, config: { databases: 1 } });
    await tell(source, ['SET', 'a', '1']);
    const captured = await capture({ url: source.url });
    {
      await using held = await restore(target, captured);
      expect(await differences(captured, held)).toEqual([]);
    }
    expect(await ask(target, 0, 'DBSIZE')).toBe('0');
    await using held = await restore(target, captured);
    await held.release();
    expect(await compareWithServer(captured, { url: target.url })).toMatchObject({ differenceCount: 0 });
    const plan = await redis.planRestore({ url: target.url }, host, captured.from, testContext());
    expect(plan.problems).toMatchObject([{ code: 'redis.no-spare-database', at: ['url'] }]);
    await tell(source, ['SELECT', '2'], ['SET', 'b', '2']);
    const larger = await capture({ url: source.url });
    const planned = await redis.planRestore({ url: target.url }, host, larger.from, testContext());
    expect(planned.problems).toMatchObject([{ code: 'redis.target-databases' }]);
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

  test('a restore that died is undone from its journal, whenever that was', async () => {
    await using source = await startRedis({ binary, users: USERS });
    await using target = await startRedis({ binary });
    await fill(source);
    await tell(target, ['SET', 'precious', '1'], ['SELECT', '3'], ['SET', 'precious', '3']);
    if (functions)
      await tell(target, [
        'FUNCTION',
        'LOAD',
        "#!lua name=mylib\nredis.register_function('other', function() return 1 end)\n",
      ]);
    const captured = await capture({ url: source.url });
    const before = await stateOf(target);
    const entries: unknown[] = [];
    const journal = async (entry: unknown) => void entries.push(JSON.parse(JSON.stringify(entry)));
    const undo = () => redis.undo({ url: target.url }, host, entries.at(-1), testContext());

    // Before anything was done.
    await expect(
      restore(target, captured, {
        overwrite: true,
        journal: async (entry) => {
          await journal(entry);
          throw new Error('died');
        },
      }),
    ).rejects.toThrow();
    await undo();
    expect(await stateOf(target)).toEqual(before);

    // Loaded, not released: nobody disposes of what a dead process held.
    const dead = await restore(target, captured, { overwrite: true, journal });
    await undo();
    await undo();
    expect(await stateOf(target)).toEqual(before);
    await dead[Symbol.asyncDispose]();
    expect(await stateOf(target)).toEqual(before);

    // Released: undoing finishes what is left to do, and takes nothing back.
    const done = await restore(target, captured, { overwrite: true, journal });
    await done.release();
    await undo();
    await done[Symbol.asyncDispose]();
    expect(await compareWithServer(captured, { url: target.url })).toMatchObject({ differenceCount: 0 });
    expect(JSON.stringify(entries)).not.toMatch(/hunter2|#[0-9a-f]{64}/);
  });

  test('cancelled while it loads, the target is as it was', async () => {
    await using source = await startRedis({ binary });
    await using target = await startRedis({ binary });
    await fill(source);
    await tell(
      source,
      ...Array.from({ length: 5_000 }, (_, index): Command => ['SET', `many:${index}`, 'x'.repeat(500)]),
    );
    const captured = await capture({ url: source.url });
    const abort = new AbortController();
    const blobs = {
      ...captured.blobs,
      async *get(digest: Digest) {
        let chunks = 0;
        for await (const chunk of captured.blobs.get(digest)) {
          if (chunks++ === 3) abort.abort();
          yield chunk;
        }
      },
    };
    await expect(
      redis.restore(
        { url: target.url },
        host,
        captured.from,
        blobs,
        restoreOptions(),
        testContext({ signal: abort.signal }),
      ),
    ).rejects.toMatchObject({ code: 'cancelled' });
    expect(await target.cli('INFO', 'keyspace')).not.toMatch(/db\d/);
    expect(await target.cli('CLIENT', 'LIST')).not.toContain('stasis');
  });

  test('a damaged RDB is never restored', async () => {
    await using source = await startRedis({ binary });
    await using target = await startRedis({ binary });
    await fill(source);
    const captured = await capture({ url: source.url });
    const [digest, content] = [...captured.blobs.contents].find(([, bytes]) =>
      /^(REDIS|VALKEY)/.test(bytes.toString('latin1', 0, 9)),
    )!;
    for (let round = 0; round < 20; round += 1) {
      const damaged = Buffer.from(content);
      damaged[Math.floor((content.length * (round + 0.5)) / 20)]! ^= 0x40;
      captured.blobs.contents.set(digest, damaged);
      await expect(restore(target, captured)).rejects.toThrow();
      expect(await target.cli('INFO', 'keyspace')).not.toMatch(/db\d/);
    }
  });

  test('somebody who writes into the target meanwhile is noticed', async () => {
    await using source = await startRedis({ binary });
    await using target = await startRedis({ binary, config: { databases: 1 } });
    await tell(source, ['SET', 'a', '1']);
    const captured = await capture({ url: source.url });
    const journal = () => tell(target, ['SET', 'a', 'theirs']);
    await expect(restore(target, captured, { journal })).rejects.toMatchObject({
      code: 'redis.key-exists',
      at: ['url'],
    });
  });

  test('a target without the memory or the rights is refused at plan time', async () => {
    await using source = await startRedis({ binary });
    await using target = await startRedis({
      binary,
      config: { maxmemory: '2mb' },
      users: ['few on >right ~* +@read +@connection +info +multi +discard +select'],
    });
    await tell(
      source,
      ...Array.from({ length: 40 }, (_, index): Command => ['SET', `large:${index}`, 'x'.repeat(100_000)]),
    );
    const captured = await capture({ url: source.url });
    const plan = await redis.planRestore({ url: target.url }, host, captured.from, testContext());
    expect(plan.problems).toMatchObject([{ code: 'redis.target-memory', at: ['url'] }]);
    await expect(restore(target, captured)).rejects.toMatchObject({ code: 'redis.target-memory' });
    expect(await target.cli('INFO', 'keyspace')).not.toMatch(/db\d/);
    const few = await redis.planRestore(
      { url: target.urlFor('few', 'right') },
      host,
      captured.from,
      testContext(),
    );
    expect(few.problems.map(({ code }) => code)).toEqual(['redis.target-memory', 'redis.rights']);
    expect(few.problems[1]!.message).toMatch(/RESTORE/);
  });
});
