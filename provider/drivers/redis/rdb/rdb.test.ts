import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { entriesOf } from '../../../../test/support/redis-capture.ts';
import { everything, everythingNewer, run } from '../../../../test/support/redis-data.ts';
import { startRedis } from '../../../../test/support/redis-server.ts';
import { redisVersions } from '../../../../test/support/redis-versions.ts';
import type { FingerprintEntry } from '../../../core/fingerprint.ts';
import { bytes, Connection, list, text } from '../connection.ts';
import { addKey } from '../fingerprint-key.ts';
import { FingerprintTable } from '../fingerprint-table.ts';
import { factsOf, rdbVersionOf, readInfo } from '../info.ts';
import { hasFieldExpiry } from '../live.ts';
import { readCommand, valueOfReply } from '../live-values.ts';
import type { Value } from '../value.ts';
import { Crc64 } from './crc64.ts';
import { decodeValue } from './decode.ts';
import { expandLzf } from './lzf.ts';
import { dumpPayload, openPayload } from './payload.ts';
import { RdbReader, type RdbRecord } from './reader.ts';

const { servers, untested } = await redisVersions();
const MALFORMED = expect.objectContaining({ code: 'redis.rdb-malformed' });
const never = new AbortController().signal;

describe('CRC-64', () => {
  test('has the published check value', () => {
    expect(new Crc64().update(Buffer.from('123456789')).digest().toString('hex')).toBe('cad9b8c414d9c6e9');
  });

  test('does not depend on how the bytes are split', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (data, at) => {
        const split = new Crc64().update(data.subarray(0, at)).update(data.subarray(at));
        expect(split.digest()).toEqual(new Crc64().update(data).digest());
      }),
    );
  });
});

describe('LZF', () => {
  test('copies that overlap what they write repeat it', () => {
    // One literal "a", then a copy of 9 bytes from a distance of 1.
    expect(expandLzf(Buffer.from([0, 0x61, 0xe0, 0x00, 0x00]), 10).toString()).toBe('aaaaaaaaaa');
  });

  test.each([
    ['a literal past the end', [5, 0x61], 6],
    ['a copy from before the start', [0x20, 0x05], 3],
    ['more than it says', [1, 0x61, 0x62], 1],
    ['less than it says', [0, 0x61], 2],
  ])('refuses %s', (_name, input, size) => {
    expect(() => expandLzf(Buffer.from(input), size)).toThrow(MALFORMED);
  });
});

test('every version that this machine can have is tested; the others are named', () => {
  console.log(
    `tested: ${servers.map(({ product, version }) => `${product} ${version}`).join(', ')}; not tested: ${untested.join(', ')}`,
  );
  expect(servers.length).toBeGreaterThan(0);
});

describe.each(servers.map((server) => [`${server.product} ${server.version}`, server.path]))(
  '%s',
  (_name, binary) => {
    test('a value reads the same from its DUMP as by commands, whatever is in it', async () => {
      await using server = await startRedis({ binary });
      await using connection = await Connection.open({ url: server.url }, never);
      const element = fc.oneof(
        fc.uint8Array({ maxLength: 100 }).map((data) => Buffer.from(data)),
        fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map((number) => Buffer.from(String(number))),
        fc.integer({ min: 1, max: 20_000 }).map((size) => Buffer.alloc(size, 'ab')),
      );
      const elements = fc.array(element, { minLength: 1, maxLength: 200 });
      const score = fc.double({ noNaN: true }).map((number) => (Object.is(number, -0) ? 0 : number));
      const commands = fc.oneof(
        element.map((value) => ['SET', 'key', value]),
        elements.map((values) => ['RPUSH', 'key', ...values]),
        elements.map((values) => ['SADD', 'key', ...values]),
        fc
          .array(fc.integer({ min: -(2 ** 40), max: 2 ** 40 }), { minLength: 1 })
          .map((numbers) => ['SADD', 'key', ...numbers.map(String)]),
        elements.map((values) => ['HSET', 'key', ...values.flatMap((value) => [value, value])]),
        fc
          .array(fc.tuple(score, element), { minLength: 1, maxLength: 150 })
          .map((pairs) => [
            'ZADD',
            'key',
            ...pairs.flatMap(([number, member]) => [scoreText(number), member]),
          ]),
        elements.map((values) => ['XADD', 'key', '*', ...values.flatMap((value) => [value, value])]),
      );
      await fc.assert(
        fc.asyncProperty(commands, async (command) => {
          await connection.call(['DEL', 'key']);
          await connection.call(command);
          await expectSameByCommands(connection, Buffer.from('key'));
        }),
        { numRuns: 150 },
      );
    });

    test('values of all types and encodings read the same from the file as by commands', async () => {
      await using server = await startRedis({ binary });
      await using connection = await Connection.open({ url: server.url }, never);
      const facts = await fill(connection);
      await connection.call(['SAVE']);
      const file = readFileSync(join(server.folder, 'dump.rdb'));
      const records = readWhole(file, 64);
      const keys = records.filter((record) => record.kind === 'key');
      expect(records[0]).toMatchObject({
        kind: 'header',
        product: facts.product,
        version: rdbVersionOf(facts),
      });
      expect(records.at(-1)).toEqual({ kind: 'end', checked: true });
      const counted = [...facts.keys.values()].reduce((sum, count) => sum + count, 0);
      expect(keys.length).toBe(counted);
      for (const { db, key, type, payload, expireAtMs } of keys) {
        await connection.call(['SELECT', String(db)]);
        const dump = openPayload(bytes(await connection.call(['DUMP', key])));
        // The order of members of a table is not kept, so only ordered or packed values are byte for byte the same.
        if (dump.type !== type)
          throw new Error(`${key.toString()} has type ${type} in the file, ${dump.type} in its dump`);
        const ttl = Number(await connection.call(['PTTL', key]));
        expect(expireAtMs === undefined).toBe(ttl === -1);
        await expectSameByCommands(connection, key, { type, value: payload });
      }
    });

    test('chunks of any size give the same records', async () => {
      await using server = await startRedis({ binary });
      await using connection = await Connection.open({ url: server.url }, never);
      await fill(connection);
      await connection.call(['SAVE']);
      const file = readFileSync(join(server.folder, 'dump.rdb'));
      const whole = readWhole(file, file.length);
      for (const size of [4096, 65_536, file.length - 1]) expect(readWhole(file, size)).toEqual(whole);
      const small = file.subarray(0, 3000);
      const reader = new RdbReader();
      for (const byte of small) reader.push(Buffer.of(byte));
      expect(() => reader.finish()).toThrow(MALFORMED);
    });

    test('a flipped byte anywhere is found', async () => {
      await using server = await startRedis({ binary });
      await using connection = await Connection.open({ url: server.url }, never);
      await fill(connection);
      await connection.call(['SAVE']);
      const file = readFileSync(join(server.folder, 'dump.rdb'));
      for (let round = 0; round < 200; round += 1) {
        const at = Math.floor((file.length * round) / 200) + (round % 7);
        const damaged = Buffer.from(file);
        damaged[at]! ^= 1 << (round % 8);
        expect(() => readWhole(damaged, 65_536)).toThrow(MALFORMED);
      }
      expect(() => readWhole(file.subarray(0, -1), 65_536)).toThrow(MALFORMED);
      expect(() => readWhole(Buffer.concat([file, Buffer.of(0)]), 65_536)).toThrow(MALFORMED);
    });

    test('RESTORE takes the payloads that we make', async () => {
      await using server = await startRedis({ binary });
      await using connection = await Connection.open({ url: server.url }, never);
      await fill(connection);
      const keys = list(await connection.call(['KEYS', '*'])).map(bytes);
      const { product, major, minor } = factsOf(await readInfo(connection));
      for (const key of keys) {
        const before = openPayload(bytes(await connection.call(['DUMP', key])));
        await connection.call([
          'RESTORE',
          'copy',
          '0',
          dumpPayload(before.type, before.value, rdbVersionOf({ product, major, minor })),
          'REPLACE',
        ]);
        await expectSameByCommands(connection, Buffer.from('copy'), before);
      }
    });
  },
);

function scoreText(score: number): string {
  return Number.isFinite(score) ? String(score) : score > 0 ? '+inf' : '-inf';
}

async function fill(connection: Connection): Promise<ReturnType<typeof factsOf>> {
  const facts = factsOf(await readInfo(connection));
  await run(connection, everything());
  await run(connection, everythingNewer({ functions: facts.major >= 7, fieldExpiry: hasFieldExpiry(facts) }));
  return factsOf(await readInfo(connection));
}

function readWhole(file: Buffer, chunkBytes: number): RdbRecord[] {
  const reader = new RdbReader();
  const records: RdbRecord[] = [];
  for (let at = 0; at < file.length; at += chunkBytes)
    records.push(...reader.push(file.subarray(at, at + chunkBytes)));
  return [...records, ...reader.finish()];
}

/** What the parser makes of a payload (the key's own DUMP, unless given) is what the commands show. */
async function expectSameByCommands(
  connection: Connection,
  key: Buffer,
  payload?: { readonly type: number; readonly value: Buffer },
): Promise<void> {
  const { type, value } = payload ?? openPayload(bytes(await connection.call(['DUMP', key])));
  const kind = text(await connection.call(['TYPE', key]));
  const facts = factsOf(await readInfo(connection));
  const reply = await connection.call(readCommand(kind, key));
  const live = await valueOfReply(connection, kind, key, reply, hasFieldExpiry(facts));
  expect(live?.type).toBe(kind);
  expect(await rowsOf(key, decodeValue(type, value))).toEqual(await rowsOf(key, live!));
}

/** All that a fingerprint says of a value: also its groups, and its fields that expire. */
async function rowsOf(key: Buffer, value: Value): Promise<FingerprintEntry[]> {
  const table = new FingerprintTable();
  addKey(table, 0, key, value, undefined);
  return entriesOf(table.entries());
}
