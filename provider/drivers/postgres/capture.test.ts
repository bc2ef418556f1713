import { describe, expect, test } from '@jest/globals';
import { memoryBlobs, testContext } from '../../../test/support/context.ts';
import {
  capture,
  clientOf,
  compareWith,
  copied,
  host,
  observed,
  repeat,
  replay,
  shopServer,
} from '../../../test/support/postgres-rig.ts';
import { postgresDriver } from './driver.ts';

const signal = new AbortController().signal;

const rig = shopServer();
const shop = () => ({ url: rig.server.url('shop') });

describe('mark and epoch', () => {
  test('the epoch is equal exactly while nothing is committed, and the mark carries it', async () => {
    await rig.server.query('CREATE TABLE IF NOT EXISTS app.probe (n integer)', { database: 'shop' });
    await using session = await postgresDriver.prepare(shop(), host, testContext());
    const before = await session.watch!.epoch(signal);
    const [mark] = await session.mark!.take(signal);
    const after = await session.watch!.epoch(signal);
    expect(after.value).toBe(before.value);
    expect(mark!.epoch).toBe(before.value);
    expect(mark!.sentNs).toBeGreaterThanOrEqual(before.acknowledgedNs);
    expect(mark!.acknowledgedNs).toBeGreaterThanOrEqual(mark!.sentNs);
    expect(after.sentNs).toBeGreaterThanOrEqual(mark!.acknowledgedNs);

    await rig.server.query('INSERT INTO app.probe VALUES (1)', { database: 'shop' });
    const written = await session.watch!.epoch(signal);
    expect(written.value).not.toBe(before.value);
    // A change in another database of the server shows as well, and no value ever comes back.
    await rig.server.query('CREATE TABLE public.elsewhere (n integer)');
    const elsewhere = await session.watch!.epoch(signal);
    expect(new Set([before.value, written.value, elsewhere.value]).size).toBe(3);
  });

  test('a mark takes about a round trip', async () => {
    await using session = await postgresDriver.prepare(shop(), host, testContext());
    const took: number[] = [];
    for (let i = 0; i < 50; i += 1) {
      const [mark] = await session.mark!.take(signal);
      took.push((mark!.acknowledgedNs - mark!.sentNs) / 1e6);
    }
    took.sort((a, b) => a - b);
    console.log(`mark: median ${took[25]!.toFixed(2)} ms, worst ${took.at(-1)!.toFixed(2)} ms`);
    expect(took).toHaveLength(50);
  });

  test('the mark shows what was there at its instant, whatever comes after', async () => {
    await rig.server.query('CREATE TABLE app.instant AS SELECT generate_series(1, 10) AS n', {
      database: 'shop',
    });
    await using session = await postgresDriver.prepare(shop(), host, testContext());
    await session.mark!.take(signal);
    await rig.server.query(
      'UPDATE app.instant SET n = n + 1; DELETE FROM app.lines; INSERT INTO app.empty VALUES (1)',
      {
        database: 'shop',
      },
    );
    const taken = await copied(session, shop());
    const rows = (name: string) =>
      taken.entries.find(({ object }) => object === `table/app.${name}`)?.facts?.rows;
    expect([rows('instant'), rows('lines'), rows('empty')]).toEqual([10, 3, 0]);
    await rig.server.query("INSERT INTO app.lines VALUES (1, 100, 'first'); DELETE FROM app.empty", {
      database: 'shop',
    });
  });

  test('all databases of a server are one act when their snapshots are the same', async () => {
    await rig.server.query('CREATE DATABASE two');
    await rig.server.query('CREATE TABLE public.t AS SELECT 1 AS a', { database: 'two' });
    const spec = { url: rig.server.url('shop'), databases: ['two', 'shop'] };
    const writer = await clientOf(rig.server, 'two');
    await using session = await postgresDriver.prepare(spec, host, testContext());
    let written = 0;
    const load = repeat(async () => {
      await writer.query('INSERT INTO public.t VALUES (1)');
      written += 1;
    });
    const counts: number[] = [];
    while (counts.length < 20 || written <= 20) counts.push((await session.mark!.take(signal)).length);
    await load.stop();
    await writer.end();
    expect(counts.filter((count) => count === 1).length).toBeGreaterThan(0);
    for (const count of counts) expect(count).toBeLessThanOrEqual(2);
    const marks = await session.mark!.take(signal);
    expect(marks).toHaveLength(1);
    const taken = await copied(session, spec);
    expect(taken.entries.map(({ object }) => object)).toEqual(
      expect.arrayContaining([
        'db/two/table/public.t',
        'db/shop/table/app.keys',
        'db/two/database',
        'role/shop_app',
      ]),
    );
    expect(taken.member.summary).toMatch(/^\d+ tables in 2 databases$/);
    await session[Symbol.asyncDispose]();
    await rig.server.query('DROP DATABASE two');
  });
});

describe('sequences', () => {
  test('move unseen by the epoch (while the server has positions logged ahead), are recorded after the mark, and come back as recorded', async () => {
    await using session = await postgresDriver.prepare(shop(), host, testContext());
    // The first one logs 32 positions ahead, as a transaction of its own.
    await rig.server.query("SELECT nextval('app.placed')", { database: 'shop' });
    const before = await session.watch!.epoch(signal);
    await session.mark!.take(signal);
    await rig.server.query("SELECT nextval('app.placed') FROM generate_series(1, 20)", { database: 'shop' });
    expect((await session.watch!.epoch(signal)).value).toBe(before.value);
    const taken = await copied(session, shop());
    const entry = taken.entries.find(({ object }) => object === 'sequence/app.placed');
    expect(entry?.facts).toEqual({ next: 'after 1234567890143' });
    expect(taken.member.coverage.outside.map(({ code }) => code)).toContain('postgres.sequences');
  });

  test('one that is restarted after the mark makes the cut be taken again', async () => {
    await using session = await postgresDriver.prepare(shop(), host, testContext());
    await session.mark!.take(signal);
    await rig.server.query('ALTER SEQUENCE app.placed RESTART WITH 5', { database: 'shop' });
    const blobs = memoryBlobs();
    await expect(session.copy(blobs)).rejects.toMatchObject({ code: 'cut.lost' });
  });
});

test('observing twice without a change gives the same fingerprint, in order, every object once', async () => {
  const [first, second] = [await observed(shop()), await observed(shop())];
  expect(second).toEqual(first);
  const names = first.map(({ object }) => object);
  expect(names).toEqual([...new Set(names)].sort((a, b) => (a < b ? -1 : 1)));
  const taken = await capture(shop());
  const comparison = await compareWith(taken, replay(first));
  expect(comparison).toMatchObject({ differenceCount: 0, equal: first.length });
});
