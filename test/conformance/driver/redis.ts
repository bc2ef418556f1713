import { createHash } from 'node:crypto';
import { sleep } from '../../../provider/core/wait.ts';
import { Connection, list, text } from '../../../provider/drivers/redis/connection.ts';
import { redisDriver } from '../../../provider/drivers/redis/driver.ts';
import { findRedis, type RedisServer, startRedis } from '../../support/redis-server.ts';
import { freePort } from '../../support/server-process.ts';
import type { Disturbance, DriverAdapter, Load, Refused, System, Target } from './adapter.ts';

const SECRET = 'conformance-secret-6d1f';
const DATABASES = 16;

/**
 * One operation, atomic on the server: a counter, its copy in another type, a log, one of fifty carts, a key that
 * expires. Whatever instant a capture shows, they agree.
 */
const OPERATION = `
local n = redis.call('INCR', 'load:first')
redis.call('HSET', 'load:second', 'n', n)
redis.call('RPUSH', 'load:log', n)
redis.call('HSET', 'load:cart:' .. (n % 50), 'n', n)
redis.call('SET', 'load:volatile:' .. (n % 20), n, 'EX', 1000)
return n`;

export const redisAdapter: DriverAdapter = {
  driver: redisDriver,
  sessions: { watch: true, hold: true, mark: 'always' },
  unavailable: async () =>
    (await findRedis()).length > 0 ? undefined : 'redis-server is not on this machine',
  start: () => RedisSystem.start(),
};

const url = (server: RedisServer): string => server.urlFor('default', SECRET);

class RedisSystem implements System {
  readonly spec: { readonly url: string };
  readonly secret = SECRET;
  readonly disturbances: readonly Disturbance[];
  readonly refused: readonly Refused[];
  private readonly server: RedisServer;

  private constructor(server: RedisServer, unused: number) {
    this.server = server;
    this.spec = { url: url(server) };
    this.disturbances = disturbancesOf(server);
    const local = `127.0.0.1:${server.port}`;
    this.refused = [
      {
        name: 'a wrong password',
        spec: { url: `redis://:${SECRET}-not@${local}` },
        codes: ['redis.password'],
      },
      { name: 'nobody there', spec: { url: `redis://127.0.0.1:${unused}` }, codes: ['redis.unreachable'] },
      {
        name: 'a login that may do nothing',
        spec: { url: server.urlFor('low', SECRET) },
        codes: ['redis.rights', 'redis.refused'],
      },
    ];
  }

  static async start(): Promise<RedisSystem> {
    const server = await startRedis({
      password: SECRET,
      users: [`low on >${SECRET} ~* +ping`],
      // Its disk is thrown away with it.
      config: { appendonly: 'yes', appendfsync: 'no' },
    });
    await populate(server);
    return new RedisSystem(server, await freePort());
  }

  async load(): Promise<Load> {
    return RedisLoad.start(this.spec.url);
  }

  emptyTarget(): Promise<Target> {
    return RedisTarget.start();
  }

  async filledTarget(): Promise<Target> {
    const target = await RedisTarget.start();
    await target.fill();
    return target;
  }

  residue(): Promise<readonly string[]> {
    return residueOn(this.server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop();
  }
}

async function populate(server: RedisServer): Promise<void> {
  const lines = [
    'SET plain value',
    'SET soon value PX 900000',
    'LPUSH list a b c',
    'SADD set a b c',
    'ZADD zset 1.5 a 2 b',
    'HSET hash a 1 b 2',
    'XADD stream 1-1 a 1',
    'XGROUP CREATE stream workers 0',
    'XREADGROUP GROUP workers one COUNT 1 STREAMS stream >',
    'SELECT 7',
    'SET elsewhere value',
    'SET "\\xff\\x00\\n" binary',
  ];
  await server.feed(`${lines.join('\n')}\n`);
}

/** What breaks naive captures of a Redis. Other clients are refused nothing, so all of it can happen at any time. */
function disturbancesOf(server: RedisServer): Disturbance[] {
  const tolerant = async (...command: string[]): Promise<void> => {
    // A background save may be refused because another one runs, which is a disturbance too.
    await server.cli(...command).catch(() => '');
  };
  let turn = 0;
  return [
    { name: 'FLUSHALL', changes: true, disturb: async () => void (await server.cli('FLUSHALL')) },
    {
      name: 'an UNPAUSE by another client, and a write',
      changes: true,
      disturb: async () => {
        await server.cli('CLIENT', 'UNPAUSE');
        turn += 1;
        await server.cli('SET', 'slipped in', String(turn));
      },
    },
    { name: 'a foreign BGSAVE', changes: false, disturb: () => tolerant('BGSAVE') },
    { name: 'a foreign BGREWRITEAOF', changes: false, disturb: () => tolerant('BGREWRITEAOF') },
    { name: 'SWAPDB', changes: true, disturb: async () => void (await server.cli('SWAPDB', '0', '3')) },
    {
      name: 'a key renamed and one expired',
      changes: true,
      disturb: async () => {
        turn += 1;
        await server.cli('SET', 'one name', String(turn));
        await server.cli('RENAME', 'one name', 'another name');
        await server.cli('SET', 'short lived', 'x', 'PX', '1');
      },
    },
    {
      name: 'statistics reset',
      changes: false,
      disturb: async () => void (await server.cli('CONFIG', 'RESETSTAT')),
    },
  ];
}

/** Connections of ours, a replica's sync of ours, and a pause. */
async function residueOn(server: RedisServer): Promise<string[]> {
  const clients = (await server.cli('CLIENT', 'LIST'))
    .split('\n')
    .filter((line) => / name=stasis/.test(line));
  const replicas = /connected_slaves:([1-9]\d*)/.exec(await server.cli('INFO', 'replication'));
  const answered = await isAnswered(server);
  const left = clients.map((line) => `a connection: ${line}`);
  if (replicas) left.push(`${replicas[1]} replicas`);
  if (!answered) left.push('writes are paused');
  return left;
}

/** Whether a write is answered within a moment. */
async function isAnswered(server: RedisServer): Promise<boolean> {
  const waited = new AbortController();
  const late = sleep(2_000, waited.signal).then(
    () => false,
    () => false,
  );
  const written = server.cli('SET', 'is it paused', '1').then(() => true);
  const answered = await Promise.race([written, late]);
  waited.abort();
  await written;
  await server.cli('DEL', 'is it paused');
  return answered;
}

class RedisLoad implements Load {
  private done = 0;
  private readonly ending = new AbortController();
  private readonly running: Promise<void>;

  private constructor(connection: Connection) {
    this.running = this.run(connection);
  }

  static async start(target: string): Promise<RedisLoad> {
    return new RedisLoad(await Connection.open({ url: target }, new AbortController().signal));
  }

  private async run(connection: Connection): Promise<void> {
    await using own = connection;
    while (!this.ending.signal.aborted) {
      await own.call(['EVAL', OPERATION, '0'], { timeoutMs: 30_000 });
      this.done += 1;
      await sleep(1);
    }
  }

  async operations(): Promise<number> {
    return this.done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.ending.abort();
    await this.running;
  }
}

class RedisTarget implements Target {
  readonly spec: { readonly url: string };
  private readonly server: RedisServer;

  private constructor(server: RedisServer) {
    this.server = server;
    this.spec = { url: url(server) };
  }

  static async start(): Promise<RedisTarget> {
    return new RedisTarget(await startRedis({ password: SECRET }));
  }

  async fill(): Promise<void> {
    await this.server.feed('SET theirs 1\nSELECT 5\nHSET theirs a b\n');
  }

  /** The counter, its copy, the log and the carts are of one instant, in whichever database they now are. */
  async faults(): Promise<readonly string[]> {
    const faults: string[] = [];
    for (let db = 0; db < DATABASES; db += 1) {
      const ask = (...command: string[]): Promise<string> => this.server.cli('-n', String(db), ...command);
      const [first, second, length, last] = await Promise.all([
        ask('GET', 'load:first'),
        ask('HGET', 'load:second', 'n'),
        ask('LLEN', 'load:log'),
        ask('LINDEX', 'load:log', '-1'),
      ]);
      if (first === '' && second === '' && length === '0') continue;
      if (new Set([first, second, length, last]).size !== 1)
        faults.push(`database ${db} is at ${[first, second, length, last].join(', ')}`);
      const n = Number(first);
      const carts = await ask(
        'EVAL',
        "local r = {} for i = 0, 49 do r[i + 1] = redis.call('HGET', 'load:cart:' .. i, 'n') or '' end return table.concat(r, ' ')",
        '0',
      );
      carts.split(' ').forEach((cart, index) => {
        const expected = n - ((((n - index) % 50) + 50) % 50);
        if (expected > 0 && Number(cart) !== expected)
          faults.push(`cart ${index} is at ${cart}, not ${expected}`);
      });
    }
    return faults;
  }

  async mutate(): Promise<string> {
    await this.server.cli('HSET', 'hash', 'b', '3');
    return 'db/0/key/hash';
  }

  async state(): Promise<string> {
    await using connection = await Connection.open(this.spec, new AbortController().signal);
    const hash = createHash('sha256');
    for (let db = 0; db < DATABASES; db += 1) {
      await connection.call(['SELECT', String(db)]);
      const keys = list(await connection.call(['KEYS', '*']))
        .map(text)
        .sort();
      for (const key of keys) {
        const dump = await connection.call(['DUMP', key]);
        hash.update(
          `${db} ${key.length} ${key} ${text(await connection.call(['PEXPIRETIME', key]).catch(() => ''))} `,
        );
        hash.update(Buffer.isBuffer(dump) ? dump : text(dump));
      }
    }
    hash.update(await this.server.cli('ACL', 'LIST'));
    return hash.digest('hex');
  }

  residue(): Promise<readonly string[]> {
    return residueOn(this.server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop();
  }
}
