import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { memoryBlobs, testContext } from '../../../test/support/context.ts';
import { capture, cut, host, redis } from '../../../test/support/redis-capture.ts';
import { startRedis } from '../../../test/support/redis-server.ts';
import { redisVersions } from '../../../test/support/redis-versions.ts';
import { memoryProblems } from './plan.ts';
import type { RedisSpec } from './spec.ts';

const { servers } = await redisVersions();
const PASSWORD = 'planted Secret/%?#@';

/** Codes of the problems that a plan finds. */
async function planCodes(spec: RedisSpec): Promise<string[]> {
  const { problems } = await redis.plan(spec, host, testContext());
  for (const problem of problems) expect(problem.at[0]).toMatch(/^(url|caFile|certFile|keyFile)$/);
  return problems.map(({ code }) => code);
}

describe('what a user may write', () => {
  test.each([
    ['no URL', 'localhost'],
    ['another scheme', 'http://localhost:6379'],
    ['no host', 'redis://'],
    ['a database', 'redis://localhost:6379/3'],
    ['a broken password', 'redis://:50%secret@localhost:6379'],
  ])('%s is refused without repeating it', async (_what, url) => {
    const { problems } = await redis.plan({ url }, host, testContext());
    expect(problems).toMatchObject([{ code: 'redis.url', at: ['url'] }]);
    expect(JSON.stringify(problems) + problems[0]!.message + problems[0]!.hint).not.toContain('secret');
  });

  test('the endpoint has neither user, password nor options', () => {
    expect(redis.endpoint({ url: 'rediss://me:secret@Cache.Example:7000/0' })).toBe(
      'redis://cache.example:7000',
    );
    expect(redis.endpoint({ url: 'valkeys://cache.example' })).toBe('redis://cache.example:6379');
    expect(redis.endpoint({ url: 'redis://[::1]' })).toBe('redis://[::1]:6379');
  });

  test('every attribute says what it is and what its change means', () => {
    for (const [name, field] of Object.entries(redis.spec.shape)) {
      const meta = field.meta() ?? {};
      expect({ name, described: (field.description ?? '').length > 20, role: meta.role }).toMatchObject({
        described: true,
        role: expect.stringMatching(/^(endpoint|selection|access|limit)$/),
      });
    }
    expect(redis.spec.shape.url!.meta()).toMatchObject({ secret: true, role: 'access' });
  });
});

describe('servers that cannot be captured', () => {
  test('one that is not there', async () => {
    expect(await planCodes({ url: 'redis://127.0.0.1:1' })).toEqual(['redis.unreachable']);
    expect(await planCodes({ url: 'redis://stasis-no-such-host.invalid' })).toEqual(['redis.unreachable']);
  });

  test('one that accepts and says nothing', async () => {
    const { createServer } = await import('node:net');
    const mute = createServer(() => undefined).listen(0, '127.0.0.1');
    await new Promise((resolve) => mute.once('listening', resolve));
    const address = mute.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const started = performance.now();
    // The connection stands, the login is never answered.
    expect(await planCodes({ url: `redis://:x@127.0.0.1:${port}` })).toEqual(['redis.unreachable']);
    expect(performance.now() - started).toBeLessThan(10_000);
    mute.close();
  });

  test('a node of a Cluster', async () => {
    await using server = await startRedis({ config: { 'cluster-enabled': 'yes' } });
    expect(await planCodes({ url: server.url })).toEqual(['redis.cluster']);
    await expect(redis.prepare({ url: server.url }, host, testContext())).rejects.toMatchObject({
      code: 'redis.cluster',
    });
  });

  test('a replica', async () => {
    await using primary = await startRedis();
    await using replica = await startRedis({ config: { replicaof: `127.0.0.1 ${primary.port}` } });
    expect(await planCodes({ url: replica.url })).toEqual(['redis.replica']);
  });

  test('a Sentinel', async () => {
    await using server = await startRedis({ sentinel: true });
    expect(await planCodes({ url: server.url })).toEqual(['redis.sentinel']);
  });

  test('one without SYNC, as managed services are', async () => {
    await using server = await startRedis({ config: { 'rename-command': 'SYNC ""' } });
    expect(await planCodes({ url: server.url })).toEqual(['redis.sync-refused']);
    await using session = await redis.prepare({ url: server.url }, host, testContext());
    await expect(cut(session)).rejects.toMatchObject({ code: 'redis.sync-refused' });
    expect(await server.cli('SET', 'a', 'b')).toBe('OK');
  });

  test('one that leaves no memory for a child', () => {
    const codes = (usedMemoryBytes: number, systemMemoryBytes: number) =>
      memoryProblems({ usedMemoryBytes, systemMemoryBytes }).map(
        ({ code, severity }) => `${severity} ${code}`,
      );
    expect(codes(4e9, 10e9)).toEqual([]);
    expect(codes(6e9, 10e9)).toEqual(['warning redis.fork-memory']);
    expect(codes(9.5e9, 10e9)).toEqual(['error redis.fork-memory']);
    // A managed service need not tell.
    expect(codes(9e9, 0)).toEqual([]);
  });

  test('one whose saves fail', async () => {
    await using server = await startRedis();
    await server.cli('SET', 'a', 'b');
    await chmod(server.folder, 0o500);
    await server.cli('CONFIG', 'SET', 'dir', '/proc/self');
    await server.cli('BGSAVE');
    for (let waited = 0; waited < 100 && (await planCodes({ url: server.url })).length === 0; waited += 1)
      await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await planCodes({ url: server.url })).toEqual(['redis.save-failing']);
    await chmod(server.folder, 0o700);
  });
});

describe.each(servers.map((server) => [`${server.product} ${server.version}`, server.path]))(
  'logins of %s',
  (_name, binary) => {
    test('a wrong password or none is told, and never printed', async () => {
      await using server = await startRedis({
        binary,
        password: PASSWORD,
        users: ['app on >right ~* +@all'],
      });
      const context = testContext();
      for (const url of [
        `redis://127.0.0.1:${server.port}`,
        server.urlFor('default', 'wrong-one'),
        server.urlFor('nobody', 'wrong-one'),
        server.urlFor('app', 'wrong-one'),
      ]) {
        const { problems } = await redis.plan({ url }, host, context);
        expect(problems).toMatchObject([{ code: 'redis.password', at: ['url'] }]);
        await expect(redis.prepare({ url }, host, context)).rejects.toMatchObject({ code: 'redis.password' });
        const said = JSON.stringify([
          problems,
          problems.map(({ message, hint, cause }) => [message, hint, String(cause)]),
          context.lines,
        ]);
        expect(said).not.toMatch(/wrong-one|planted/);
      }
      expect(await planCodes({ url: server.url })).toEqual([]);
      expect(await planCodes({ url: server.urlFor('app', 'right') })).toEqual([]);
    });

    test('a login with just the rights that are needed can capture; what it may not read is named', async () => {
      const rights =
        '+info +client|setname +client|id +client|pause +client|unpause +client|list +sync +multi +discard +exec';
      await using server = await startRedis({
        binary,
        password: PASSWORD,
        users: [`capture on >right ${rights}`],
      });
      await server.cli('SET', 'a', 'b');
      const url = server.urlFor('capture', 'right');
      const plan = await redis.plan({ url }, host, testContext());
      expect(plan.problems).toEqual([]);
      expect(plan.outside).toContainEqual({
        code: 'redis.users',
        message: expect.stringContaining('may not read'),
      });
      const captured = await capture({ url });
      expect(captured.from.summary).toBe('1 key');
    });

    test('what a login lacks is named', async () => {
      await using server = await startRedis({
        binary,
        password: PASSWORD,
        users: [
          'few on >right ~* +@read +info +client|setname +client|id +client|pause +multi +discard +eval',
          'none on >right',
        ],
      });
      const { problems } = await redis.plan({ url: server.urlFor('few', 'right') }, host, testContext());
      expect(problems).toMatchObject([
        { code: 'redis.rights', at: ['url'], details: { denied: ['client unpause', 'sync'] } },
      ]);
      expect(problems[0]!.hint).toContain('+client|unpause +sync');
      expect(await planCodes({ url: server.urlFor('none', 'right') })).toEqual(['redis.rights']);
    });

    test('a planted password is in nothing that a capture makes', async () => {
      await using server = await startRedis({
        binary,
        password: PASSWORD,
        users: [`app on >${'hunter2-planted'} ~* +@all`],
      });
      await server.cli('SET', 'a', 'b');
      const context = testContext();
      const blobs = memoryBlobs();
      await using session = await redis.prepare({ url: server.url }, host, context);
      const { evidence, marks } = await cut(session);
      const copied = await session.copy(blobs);
      const said = JSON.stringify([evidence, marks, copied, context.lines, context.events]);
      for (const secret of [PASSWORD, encodeURIComponent(PASSWORD), 'hunter2-planted']) {
        expect(said).not.toContain(secret);
        for (const content of blobs.contents.values()) expect(content.includes(secret)).toBe(false);
      }
      // The manifest has no password hash either; the blob of users has.
      expect(said).not.toMatch(/[^:]#[0-9a-f]{64}/);
      expect(
        [...blobs.contents.values()].some((content) => /user app .*#[0-9a-f]{64}/.test(content.toString())),
      ).toBe(true);
    });
  },
);

describe('TLS', () => {
  let folder: string;
  const file = (name: string) => join(folder, name);
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stasis-redis-tls-'));
    const openssl = (...args: string[]) => promisify(execFile)('openssl', args, { cwd: folder });
    await openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=Test authority',
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
    );
    await openssl(
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-subj',
      '/CN=redis.test',
      '-keyout',
      'server.key',
      '-out',
      'server.csr',
    );
    await writeFile(file('names'), 'subjectAltName=DNS:redis.test,IP:127.0.0.1');
    await openssl(
      'x509',
      '-req',
      '-in',
      'server.csr',
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-days',
      '2',
      '-extfile',
      'names',
      '-out',
      'server.pem',
    );
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('a capture through TLS; a certificate that is not trusted is refused', async () => {
    const tls = { certFile: file('server.pem'), keyFile: file('server.key'), caFile: file('ca.pem') };
    await using server = await startRedis({ password: PASSWORD, tls });
    await server.cli('SET', 'a', 'b');
    const spec = { url: server.url, caFile: file('ca.pem') };
    expect(server.url).toMatch(/^rediss:/);
    expect(await planCodes(spec)).toEqual([]);
    expect((await capture(spec)).from.summary).toBe('1 key');
    expect((await capture({ ...spec, serverName: 'redis.test' })).from.summary).toBe('1 key');
    expect(await planCodes({ ...spec, serverName: 'another.test' })).toEqual(['redis.tls']);
    expect(await planCodes({ url: server.url })).toEqual(['redis.tls']);
    const missing = await redis.plan({ ...spec, caFile: file('none.pem') }, host, testContext());
    expect(missing.problems).toMatchObject([{ code: 'redis.tls-file', at: ['caFile'] }]);
    // Spoken to in plain text, such a port closes the connection.
    expect(await planCodes({ url: server.url.replace('rediss:', 'redis:') })).toEqual(['redis.unreachable']);
  });
});
