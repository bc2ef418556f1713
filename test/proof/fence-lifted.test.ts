import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createClient } from '@redis/client';
import pg from 'pg';
import { capture } from '../../provider/coordinator/capture.ts';
import { fencedRestore } from '../../provider/coordinator/fence.ts';
import { Journal, sweepJournals } from '../../provider/coordinator/journal.ts';
import type { Member } from '../../provider/coordinator/member.ts';
import type { Store } from '../../provider/core/store.ts';
import { sleep } from '../../provider/core/wait.ts';
import { STORE_TYPES } from '../../provider/stores/registry.ts';
import { testContext } from '../support/context.ts';
import { memberOf } from '../support/member.ts';
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts';
import { sqlProbe } from '../support/probes.ts';
import { startRedis } from '../support/redis-server.ts';

const PATIENCE_MS = 240_000;
const context = testContext();
const KINDS = ['postgres', 'redis'];

let here: PostgresServer;
let there: PostgresServer;
let redis: Awaited<ReturnType<typeof startRedis>>[];
let folder: string;
let store: Store;

beforeAll(async () => {
  [here, there] = await Promise.all([startPostgres(), startPostgres()]);
  redis = await Promise.all([startRedis(), startRedis()]);
  folder = await mkdtemp(join(tmpdir(), 'stasis-fence-'));
  store = await STORE_TYPES[0]!.open({ path: join(folder, 'store') }, context);
  await here.query('CREATE TABLE t (n int); INSERT INTO t VALUES (0)');
}, PATIENCE_MS);
afterAll(async () => {
  await Promise.all([here, there, ...redis].map((server) => server?.stop()));
  if (folder) await rm(folder, { recursive: true, force: true });
}, PATIENCE_MS);

function membersOf(urls: readonly string[]): Member[] {
  return urls.map((url, index) => memberOf(KINDS[index]!, { url }));
}

const originals = (): Member[] => membersOf([here.url(), redis[0]!.url]);

/** The codes with which a write is refused by each; empty where it is taken. */
async function refusals(): Promise<string[]> {
  const sql = await here.query('UPDATE t SET n = n + 1').then(
    () => '',
    (error: { code?: string }) => error.code ?? 'unknown',
  );
  const client = createClient({ url: redis[0]!.url, socket: { reconnectStrategy: false } });
  await client.connect();
  try {
    const said = await client.incr('n').then(
      () => '',
      (error: Error) => error.message.split(' ', 1)[0]!,
    );
    return [sql, said].filter((code) => code !== '');
  } finally {
    client.destroy();
  }
}

/** Sets read only off in each session that it gets, and writes until the signal. */
async function writeAround(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const client = new pg.Client({ connectionString: here.url() });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query('SET default_transaction_read_only = off');
      while (!signal.aborted) {
        await client.query('UPDATE t SET n = n + 1');
        await sleep(50);
      }
    } catch {
      await sleep(20);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

test(
  'a fence that somebody gets around is seen before anything is released, and is lifted',
  async () => {
    const limits = { maxPauseMs: 5_000, maxBlurMs: 0 };
    const made = { createdBy: 'test', store };
    const sealed = await capture(
      { name: 'shop', owner: 'test', members: originals(), limits, ...made },
      context,
    );
    const stop = new AbortController();
    const around = writeAround(stop.signal);
    try {
      const request = {
        ...{ restoreId: 'breached', members: membersOf([there.url(), redis[1]!.url]), overwrite: true },
        ...({ safetySnapshot: false, verify: 'equivalent', expiry: 'absolute', ...made } as const),
        snapshot: await store.open(sealed.name, sealed.digest, context),
      };
      await expect(fencedRestore(request, originals(), context)).rejects.toMatchObject({
        code: 'fence.breached',
        at: ['original', 'postgres', 'postgres'],
      });
    } finally {
      stop.abort();
      await around;
    }
    expect(await refusals()).toEqual([]);
    expect(await there.query(`SELECT relname FROM pg_class WHERE relname = 't'`)).toEqual([]);
    expect(await store.records.list('journal/')).toEqual([]);
  },
  PATIENCE_MS,
);

test(
  'a fence whose restore has died holds for everybody until the next one lifts it, also when it was raised twice',
  async () => {
    const session = new pg.Client({ connectionString: here.url() });
    session.on('error', () => undefined);
    await session.connect();
    for (const restoreId of ['first', 'second']) {
      const journal = new Journal(store, `fence-${restoreId}`);
      for (const member of originals())
        await member.driver.fence!.raise(
          member.spec,
          member.host,
          (entry) => journal.note(member, entry),
          context,
        );
    }
    // Whoever was connected before is not any more.
    await expect(session.query('UPDATE t SET n = 0')).rejects.toThrow();
    expect(await refusals()).toEqual(['25006', 'NOREPLICAS']);
    await sweepJournals(store, originals(), context);
    expect(await refusals()).toEqual([]);
    expect(await store.records.list('journal/')).toEqual([]);
    const left = await here.query(`SELECT setconfig FROM pg_db_role_setting WHERE setrole = 0`);
    expect(left).toEqual([]);
  },
  PATIENCE_MS,
);

test(
  'the probes of stores are asked in the final photograph, and of what is restored before anything is released',
  async () => {
    const made = { createdBy: 'test', store };
    const sealed = await capture(
      {
        ...{ name: 'asked', owner: 'test', members: originals(), ...made },
        ...{ limits: { maxPauseMs: 5_000, maxBlurMs: 0 } },
        probes: [
          sqlProbe('sum', 'postgres', 'SELECT sum(n) FROM t'),
          sqlProbe('address', 'postgres', 'SELECT inet_server_port()'),
        ],
      },
      context,
    );
    await here.query('UPDATE t SET n = n + 1000');
    const request = {
      ...{ restoreId: 'asked', members: membersOf([there.url(), redis[1]!.url]), overwrite: true },
      ...({ safetySnapshot: false, verify: 'report', expiry: 'absolute', ...made } as const),
      snapshot: await store.open(sealed.name, sealed.digest, context),
    };
    const { final, members } = await fencedRestore(request, originals(), context);
    const { manifest } = await store.open(final.name, final.digest, context);
    expect(manifest.probes).toMatchObject({
      sum: { tie: 'mark', answer: { rows: 1 } },
      address: { tie: 'mark', answer: { rows: 1 } },
    });
    expect(members.postgres!.probes.sum).toMatchObject({ outcome: 'equal' });
    expect(members.postgres!.probes.address).toMatchObject({ outcome: 'different' });
    const [{ n }] = (await there.query('SELECT n FROM t')) as [{ n: number }];
    expect(n).toBeGreaterThan(1_000);
    expect(await refusals()).toEqual(['25006', 'NOREPLICAS']);
  },
  PATIENCE_MS,
);
