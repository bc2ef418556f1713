import { afterAll, afterEach, beforeAll, beforeEach, describe } from '@jest/globals';
import { Connection } from '../../provider/drivers/redis/connection.ts';
import { never } from './redis-capture.ts';
import { everything, run } from './redis-data.ts';
import { type RedisBinary, type RedisServer, startRedis } from './redis-server.ts';

/** One server that all tests of a block share; each finds it with everything in it, and `counter` at 0. */
export interface RedisRig {
  readonly binary: string;
  readonly version: string;
  readonly server: RedisServer;
  /** Somebody else's connection. */
  readonly other: Connection;
}

/** The same block of tests with each of these servers. */
export function describeEveryRedis(servers: readonly RedisBinary[], tests: (rig: RedisRig) => void): void {
  describe.each([...servers])('$product $version', ({ path: binary, version }) => {
    let server: RedisServer;
    let other: Connection;
    beforeAll(async () => {
      server = await startRedis({ binary, config: { save: '3600 1000000' } });
    });
    beforeEach(async () => {
      other = await Connection.open({ url: server.url }, never);
      await other.call(['FLUSHALL']);
      await run(other, everything());
      await other.call(['SET', 'counter', '0']);
    });
    afterEach(() => other[Symbol.asyncDispose]());
    afterAll(() => server.stop());
    tests({
      ...{ binary, version },
      get server() {
        return server;
      },
      get other() {
        return other;
      },
    });
  });
}
