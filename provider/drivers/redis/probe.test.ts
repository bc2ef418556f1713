import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type RedisServer, startRedis } from '../../../test/support/redis-server.ts';
import { READING_COMMANDS } from './probe.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
}, 60_000);
afterAll(() => server?.stop());

test('every command that a probe can ask is one that the server itself says only reads', async () => {
  for (const command of READING_COMMANDS) {
    const told = (await server.cli('COMMAND', 'INFO', command)).split('\n');
    expect([command, told.includes('readonly'), told.includes('write')]).toEqual([command, true, false]);
  }
}, 60_000);
