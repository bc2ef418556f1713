import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { memoryBlobs, testContext } from '../../../test/support/context.ts';
import { clientOf, host, ourSessions, shopServer } from '../../../test/support/postgres-rig.ts';
import { startPostgres } from '../../../test/support/postgres-server.ts';
import { postgresDriver } from './driver.ts';

const MINUTES = 60_000;
const signal = new AbortController().signal;

const rig = shopServer();
const shop = () => ({ url: rig.server.url('shop') });

describe('abort and failure', () => {
  const nothingLeft = async (): Promise<void> => {
    expect(await ourSessions(rig.server)).toBe(0);
    const locks = await rig.server.query(
      "SELECT count(*)::int AS count FROM pg_locks WHERE locktype = 'relation' AND pid <> pg_backend_pid() AND database = (SELECT oid FROM pg_database WHERE datname = 'shop')",
    );
    expect(locks[0]?.count).toBe(0);
    expect(await readdir(`${rig.server.folder}/data/pg_snapshots`)).toEqual([]);
  };

  for (const step of ['prepare', 'mark', 'copy', 'fingerprint'] as const)
    test(`cancelled at ${step}: no session, lock or snapshot of ours stays`, async () => {
      const controller = new AbortController();
      const context = testContext({ signal: controller.signal });
      const work = async (): Promise<void> => {
        if (step === 'prepare') setTimeout(() => controller.abort(), 60);
        await using session = await postgresDriver.prepare(shop(), host, context);
        if (step === 'mark') controller.abort();
        await session.mark!.take(controller.signal);
        if (step === 'copy') setTimeout(() => controller.abort(), 20);
        const blobs = memoryBlobs();
        await session.copy(blobs);
        for await (const _ of session.fingerprint(blobs)) if (step === 'fingerprint') controller.abort();
        if (step === 'fingerprint')
          throw Object.assign(new Error('the rest was in memory'), { code: 'cancelled' });
      };
      await expect(work()).rejects.toMatchObject({ code: 'cancelled' });
      await nothingLeft();
    });

  test('disposed of without ever being used: nothing stays', async () => {
    const session = await postgresDriver.prepare(shop(), host, testContext());
    await session.mark!.take(signal);
    await session[Symbol.asyncDispose]();
    await session[Symbol.asyncDispose]();
    await nothingLeft();
  });

  test(
    'the server dies in the middle of the copy: an error says so, and all ends',
    async () => {
      await using dying = await startPostgres();
      await dying.query(
        'CREATE TABLE public.big AS SELECT g, repeat(md5(g::text), 20) AS x FROM generate_series(1, 100000) g',
      );
      const spec = { url: dying.url() };
      const session = await postgresDriver.prepare(spec, host, testContext());
      await session.mark!.take(signal);
      const slow = {
        ...memoryBlobs(),
        put: async (content: AsyncIterable<Uint8Array>) => {
          for await (const _ of content) await sleep(20);
          return { digest: `sha256-64k:${'0'.repeat(64)}` as const, sizeBytes: 0 };
        },
      };
      const copying = session.copy(slow);
      setTimeout(() => void dying.kill(), 200);
      await expect(copying).rejects.toMatchObject({ code: 'postgres.connection-lost' });
      await session[Symbol.asyncDispose]();
    },
    2 * MINUTES,
  );

  test('somebody ends our sessions in the middle of the copy: an error says so', async () => {
    await using session = await postgresDriver.prepare(shop(), host, testContext());
    await session.mark!.take(signal);
    await rig.server.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'stasis'",
    );
    await expect(session.copy(memoryBlobs())).rejects.toMatchObject({ code: 'postgres.connection-lost' });
  });

  test(
    'no lock is ever waited for: a table that is locked for good is told, and the application never deadlocks',
    async () => {
      const locker = await clientOf(rig.server, 'shop');
      await locker.query('BEGIN; LOCK TABLE app.keys IN ACCESS EXCLUSIVE MODE');
      const trying = postgresDriver.prepare({ ...shop(), lockTimeoutMs: 300 }, host, testContext());
      await expect(trying.finally(() => locker.end())).rejects.toMatchObject({
        code: 'postgres.lock-timeout',
      });
      await nothingLeft();
    },
    MINUTES,
  );
});
