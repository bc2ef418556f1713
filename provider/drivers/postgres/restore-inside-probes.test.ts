import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { memberOf } from '../../../test/support/member.ts';
import { type PostgresServer, startPostgres } from '../../../test/support/postgres-server.ts';
import { sqlProbe } from '../../../test/support/probes.ts';
import { capture } from '../../coordinator/capture.ts';
import { drill } from '../../coordinator/drill.ts';
import { restore } from '../../coordinator/restore.ts';
import type { RestoreRequest } from '../../coordinator/restore-plan.ts';
import type { SealedSnapshot, Store } from '../../core/store.ts';
import { ociLayout } from '../../stores/oci-layout/type.ts';

const MINUTE = 60_000;

describe('a database that is loaded by a login which may not create one', () => {
  let folder: string;
  let store: Store;
  let source: PostgresServer;
  let target: PostgresServer;
  let sealed: SealedSnapshot;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stasis-inside-'));
    store = await ociLayout.open({ path: join(folder, 'store') }, testContext());
    [source, target] = await Promise.all([startPostgres(), startPostgres()]);
    await source.query('CREATE DATABASE shop');
    for (const server of [source, target])
      await server.query("CREATE ROLE loader LOGIN PASSWORD 'loader-pw' NOCREATEDB");
    await source.query(
      'CREATE TABLE sold AS SELECT n FROM generate_series(1, 12) n; ALTER TABLE sold OWNER TO loader',
      { database: 'shop' },
    );
    sealed = await capture(
      {
        ...{ name: 'shop', owner: 'test', createdBy: 'test', store },
        ...{ limits: { maxPauseMs: 5_000, maxBlurMs: 0 } },
        members: [memberOf('postgres', { url: source.url('shop') }, { name: 'orders' })],
        probes: [
          sqlProbe('sold', 'orders', 'SELECT count(*) FROM sold'),
          sqlProbe('where', 'orders', 'SELECT current_database()'),
          sqlProbe('broken', 'orders', 'SELECT count(*) FROM nothing'),
        ],
      },
      testContext(),
    );
  }, 2 * MINUTE);
  afterAll(async () => {
    await Promise.all([source?.stop(), target?.stop()]);
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  async function requestInto(database: string): Promise<RestoreRequest> {
    await target.query(`CREATE DATABASE ${database} OWNER loader`);
    const asLoader = new URL(target.url(database));
    asLoader.username = 'loader';
    asLoader.password = 'loader-pw';
    return {
      ...{ restoreId: database, overwrite: false, safetySnapshot: false, verify: 'report' },
      ...{ expiry: 'absolute', createdBy: 'test', store },
      snapshot: await store.open(sealed.name, sealed.digest, testContext()),
      members: [memberOf('postgres', { url: asLoader.href }, { name: 'orders' })],
    };
  }

  test(
    'is asked its probes after the release, and not by a drill',
    async () => {
      const drilled = await drill(await requestInto('scratch'), testContext());
      expect(drilled.members.orders!.probes).toMatchObject({
        sold: { outcome: 'unasked', message: expect.stringContaining('after a release only') },
      });
      const twin = await restore(await requestInto('twin'), testContext());
      expect(twin.members.orders!.probes).toMatchObject({
        sold: { outcome: 'equal' },
        where: { outcome: 'different' },
        broken: { outcome: 'unasked', message: expect.stringContaining('Nothing to compare with') },
      });
      expect(twin.verdict).toBe('drifted');
      expect(twin.members.orders!.differences.map(({ object }) => object)).toContain('probe/where');
      expect(twin.members.orders!.equal).toBe(drilled.members.orders!.equal + 1);
    },
    2 * MINUTE,
  );
});
