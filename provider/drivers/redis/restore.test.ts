import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import {
  ask,
  capture,
  compareWithServer,
  differences,
  fill,
  host,
  never,
  redis,
  restore,
  restoreOptions,
  stateOf,
  tell,
} from '../../../test/support/redis-capture.ts';
import { startRedis } from '../../../test/support/redis-server.ts';
import { redisVersions } from '../../../test/support/redis-versions.ts';
import type { BlobDigest } from '../../core/blob-digest.ts';
import { type Command, Connection, text } from './connection.ts';

const { servers } = await redisVersions();
const USERS = ['app on >hunter2 ~app:* resetchannels &news +@read +set', 'off-duty off nopass -@all'];

describe.each([...servers])('$product $version', ({ path: binary, product, version }) => {
  const major = Number.parseFloat(version);
  const functions = product === 'valkey' || major >= 7;
  const _fieldExpiry = product === 'valkey' || major >= 7.4;

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

  test('what an earlier try left behind, its journal lost, is in nobody’s way', async () => {
    await using source = await startRedis({ binary });
    await using target = await startRedis({ binary });
    await tell(source, ['SET', 'a', '1']);
    await tell(target, ['SET', 'stasis:loading', 'restore-1'], ['SET', 'half', 'loaded']);
    await tell(target, ['SELECT', '12'], ['SET', 'stasis:loading', 'another'], ['SET', 'theirs', 'loading']);
    const captured = await capture({ url: source.url });
    const plan = await redis.planRestore({ url: target.url }, host, captured.from, testContext());
    expect(plan).toMatchObject({ empty: true, problems: [] });
    await using held = await restore(target, captured);
    await held.release();
    expect(await ask(target, 0, 'KEYS', 'half')).toBe('');
    expect(await compareWithServer(captured, { url: target.url })).toMatchObject({ differenceCount: 0 });
    // A living restore from elsewhere is left alone.
    expect(await ask(target, 12, 'GET', 'theirs')).toBe('loading');
  });

  test('ACL users that the target does not let us make are told, and named as differences', async () => {
    await using source = await startRedis({ binary, users: USERS });
    await using target = await startRedis({ binary, users: ['loader on >right ~* +@all -acl -eval'] });
    await tell(source, ['SET', 'a', '1']);
    const captured = await capture({ url: source.url });
    const spec = { url: target.urlFor('loader', 'right') };
    const plan = await redis.planRestore(spec, host, captured.from, testContext());
    expect(plan.problems).toMatchObject([{ code: 'redis.users-left-out', severity: 'warning', at: ['url'] }]);
    await using held = await redis.restore(
      spec,
      host,
      captured.from,
      captured.blobs,
      restoreOptions(),
      testContext(),
    );
    const named = (await differences(captured, held)).map(({ object, kind }) => `${kind} ${object}`);
    expect(named).toEqual(['missing acl/app', 'missing acl/off-duty']);
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
      async *get(digest: BlobDigest) {
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
