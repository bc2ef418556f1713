import { hash } from 'node:crypto';
import { join } from 'node:path';
import { bytes, type Command, Connection, list, text } from '../../../provider/drivers/redis/connection.ts';
import { redisDriver } from '../../../provider/drivers/redis/driver.ts';
import { everything, run } from '../../support/redis-data.ts';
import { findRedis, type RedisServer, startRedis } from '../../support/redis-server.ts';
import type { Disturbance, DriverAdapter, Load, System, Target } from './adapter.ts';

const never = new AbortController().signal;
const SECRET = 'planted secret %3F';
/** Written together, always: so every instant shows them equal. */
const TOGETHER: readonly Command[] = [
  ['MULTI'],
  ['INCR', 'one'],
  ['RPUSH', 'log', 'x'],
  ['SELECT', '3'],
  ['INCR', 'two'],
  ['SELECT', '0'],
  ['EXEC'],
];

/** A server with values of every type, and an application that writes to two databases of it. */
export const redisAdapter: DriverAdapter = {
  driver: redisDriver,
  unavailable: async () =>
    (await findRedis()).length > 0 ? undefined : 'redis-server is not on this machine',
  start: () => ServerSystem.start(),
};

class ServerSystem implements System {
  readonly secret = SECRET;
  readonly spec: { readonly url: string };
  readonly disturbances: readonly Disturbance[];
  readonly refused;
  private readonly server: RedisServer;
  private readonly other: Connection;

  private constructor(server: RedisServer, other: Connection) {
    this.server = server;
    this.other = other;
    this.spec = { url: server.url };
    this.disturbances = disturbancesOf(server, other);
    this.refused = [
      {
        name: 'nothing there',
        spec: { url: `redis://:${encodeURIComponent(SECRET)}@127.0.0.1:1` },
        codes: ['redis.unreachable'],
      },
      {
        name: 'a wrong password',
        spec: { url: server.urlFor('default', `${SECRET}!`) },
        codes: ['redis.password'],
      },
      { name: 'no password', spec: { url: `redis://127.0.0.1:${server.port}` }, codes: ['redis.password'] },
      { name: 'few rights', spec: { url: server.urlFor('reader', 'right') }, codes: ['redis.rights'] },
      { name: 'a database', spec: { url: `${server.url}/3` }, codes: ['redis.url'] },
    ];
  }

  static async start(): Promise<ServerSystem> {
    const server = await startRedis({
      password: SECRET,
      users: ['reader on >right ~* +@read', 'app on >secret ~* +@all'],
    });
    const other = await Connection.open({ url: server.url }, never);
    await run(other, everything());
    return new ServerSystem(server, other);
  }

  async load(): Promise<Load> {
    return new ServerLoad(await Connection.open(this.spec, never));
  }

  async emptyTarget(): Promise<Target> {
    return new ServerTarget(await startRedis({ password: SECRET }));
  }

  async filledTarget(): Promise<Target> {
    const target = new ServerTarget(await startRedis({ password: SECRET }));
    await target.fill([
      ['SET', 'theirs', '1'],
      ['HSET', 'hash:small', 'theirs', '1'],
      ['SELECT', '4'],
      ['SET', 'theirs', '4'],
    ]);
    return target;
  }

  residue(): Promise<readonly string[]> {
    return residueOf(this.other);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.other[Symbol.asyncDispose]();
    await this.server.stop();
  }
}

class ServerLoad implements Load {
  private readonly connection: Connection;
  private readonly running: Promise<void>;
  private done = 0;
  private ending = false;

  constructor(connection: Connection) {
    this.connection = connection;
    this.running = this.write();
  }

  private async write(): Promise<void> {
    while (!this.ending) {
      await run(this.connection, TOGETHER);
      this.done += 1;
    }
  }

  async operations(): Promise<number> {
    return this.done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.ending = true;
    await this.running;
    await this.connection[Symbol.asyncDispose]();
  }
}

class ServerTarget implements Target {
  readonly spec: { readonly url: string };
  private readonly server: RedisServer;

  constructor(server: RedisServer) {
    this.server = server;
    this.spec = { url: server.url };
  }

  async fill(commands: readonly Command[]): Promise<void> {
    await using connection = await Connection.open(this.spec, never);
    await run(connection, commands);
  }

  async faults(): Promise<readonly string[]> {
    const counts = await Promise.all([
      this.server.cli('GET', 'one'),
      this.server.cli('LLEN', 'log'),
      this.server.cli('-n', '3', 'GET', 'two'),
    ]);
    return new Set(counts.map(Number)).size === 1 ? [] : [`written together, and not the same: ${counts}`];
  }

  async mutate(): Promise<string> {
    await this.server.cli('HSET', 'hash:small', 'a', 'other');
    return 'db/0/key/hash:small';
  }

  async state(): Promise<string> {
    await using connection = await Connection.open(this.spec, never);
    const found: string[] = [
      text(await connection.call(['ACL', 'LIST'])),
      await this.server.cli('FUNCTION', 'LIST'),
    ];
    for (let db = 0; db < 16; db += 1) {
      await connection.call(['SELECT', String(db)]);
      for (const key of list(await connection.call(['KEYS', '*'])).map(bytes)) {
        const dump = bytes(await connection.call(['DUMP', key]));
        found.push(`${db} ${key.toString('hex')} ${hash('sha256', dump, 'hex')}`);
      }
    }
    return found.sort().join('\n');
  }

  async residue(): Promise<readonly string[]> {
    await using connection = await Connection.open(this.spec, never);
    // A connection that a restore holds open until its end is none of what it leaves.
    const left = (await residueOf(connection)).filter((name) => !name.startsWith('name=stasis-restore'));
    for (let db = 0; db < 16; db += 1) {
      const [, marked] = await connection.pipeline([
        ['SELECT', String(db)],
        ['EXISTS', 'stasis:loading'],
      ]);
      if (marked !== 0) left.push(`database ${db} is being loaded`);
    }
    return left;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.server.stop();
  }
}

async function residueOf(connection: Connection): Promise<readonly string[]> {
  const clients = text(await connection.call(['CLIENT', 'LIST'])).match(/name=stasis\S*/g) ?? [];
  const replicas = /connected_slaves:(\d+)/.exec(text(await connection.call(['INFO', 'replication'])))?.[1];
  return replicas === '0' ? clients : [...clients, `${replicas} replicas`];
}

function disturbancesOf(server: RedisServer, other: Connection): readonly Disturbance[] {
  const one = (name: string, changes: boolean, ...commands: Command[]): Disturbance => ({
    name,
    changes,
    async disturb() {
      await using connection = await Connection.open({ url: server.url }, never);
      // What is refused, such as a second BGSAVE, has disturbed as far as it could.
      await connection.pipeline(commands);
    },
  });
  const kill = (name: string): Disturbance => ({
    name: `the end of our connection ${name}`,
    changes: false,
    async disturb() {
      const clients = text(await other.call(['CLIENT', 'LIST'])).split('\n');
      const ids = clients
        .filter((line) => line.includes(` name=${name} `))
        .map((line) => /^id=(\d+)/.exec(line)![1]!);
      await other.pipeline(ids.map((id): Command => ['CLIENT', 'KILL', 'ID', id]));
    },
  });
  let flips = 0;
  return [
    one('FLUSHALL', true, ['FLUSHALL'], ...everything()),
    one('an unpause and a write', true, ['CLIENT', 'UNPAUSE'], ...TOGETHER),
    one('an unpause and a FLUSHALL', true, ['CLIENT', 'UNPAUSE'], ['FLUSHALL'], ...everything()),
    one('an unpause', false, ['CLIENT', 'UNPAUSE']),
    one('a pause', false, ['CLIENT', 'PAUSE', '50', 'ALL']),
    one('databases swapped to and fro', true, ['SWAPDB', '0', '5'], ['SWAPDB', '0', '5']),
    one('a script that writes', true, [
      'EVAL',
      "for i = 1, 500 do redis.call('SET', 'script:' .. i, i) end return 1",
      '0',
    ]),
    one(
      'keys that expire',
      true,
      ...Array.from({ length: 100 }, (_, index): Command => ['SET', `brief:${index}`, 'x', 'PX', '5']),
    ),
    one('a BGSAVE', false, ['BGSAVE']),
    one('a SAVE', false, ['SAVE']),
    one('a rewrite of the append-only file', false, ['BGREWRITEAOF']),
    one('counters set back', false, ['CONFIG', 'RESETSTAT']),
    one('save points', false, ['CONFIG', 'SET', 'save', '1 1'], ['CONFIG', 'SET', 'save', '']),
    {
      name: 'a changed ACL user',
      changes: true,
      async disturb() {
        flips += 1;
        await run(other, [['ACL', 'SETUSER', 'app', flips % 2 === 0 ? '+get' : '-get']]);
      },
    },
    {
      name: "somebody else's sync",
      changes: false,
      async disturb() {
        await server.cli('--rdb', join(server.folder, 'other.rdb'));
      },
    },
    kill('stasis-capture'),
    kill('stasis-capture-sync'),
  ];
}
