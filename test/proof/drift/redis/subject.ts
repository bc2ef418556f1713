import { Connection } from '../../../../provider/drivers/redis/connection.ts';
import { memberOf } from '../../../support/member.ts';
import { everything, everythingNewer, run } from '../../../support/redis-data.ts';
import { findRedis, type RedisServer, startRedis } from '../../../support/redis-server.ts';
import type { Kind, Subject } from '../drift.ts';
import { REDIS_DRIFTS } from './drifts.ts';
import type { RedisTwin } from './twin.ts';

export async function redisKind(): Promise<Kind<RedisTwin>> {
  const servers = await findRedis();
  return {
    driver: 'redis',
    missing: servers.length > 0 ? undefined : 'no Redis server on this machine',
    drifts: REDIS_DRIFTS,
    inShort: 8,
    start: () => RedisSubject.start(),
  };
}

/** Users and policies of the original; its twins' servers begin with the same policies, as a target should. */
const CONFIG = { 'maxmemory-policy': 'noeviction', 'notify-keyspace-events': 'Ex' };
const USERS = ['reader on >secret ~cache:* &* +@read', 'writer on >secret ~* &* +@all -@dangerous'];

class RedisSubject implements Subject<RedisTwin> {
  readonly member;
  private readonly server: RedisServer;

  private constructor(server: RedisServer) {
    this.server = server;
    this.member = memberOf('redis', { url: server.url });
  }

  static async start(): Promise<RedisSubject> {
    const server = await startRedis({ config: CONFIG, users: USERS });
    const subject = new RedisSubject(server);
    try {
      await using connection = await Connection.open({ url: server.url }, new AbortController().signal);
      await run(connection, everything());
      await run(
        connection,
        everythingNewer({ functions: Number.parseInt(server.version, 10) >= 7, fieldExpiry: false }),
      );
      return subject;
    } catch (error) {
      await subject[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A server of its own: what belongs to the server goes with it. */
  async twin(): Promise<RedisTwin> {
    const server = await startRedis({ config: CONFIG });
    return {
      member: memberOf('redis', { url: server.url }),
      tell: async (...commands) => {
        await using connection = await Connection.open({ url: server.url }, new AbortController().signal);
        await run(connection, commands);
      },
      ask: (...command) => server.cli(...command),
      [Symbol.asyncDispose]: () => server.stop(),
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.server.stop();
  }
}
