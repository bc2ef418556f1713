import { once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { findMariadb, type MariadbServer, startMariadb } from '../../../../test/support/mariadb-server.ts';
import { describeUnless } from '../../../../test/support/skipped.ts';
import { sleep } from '../../../core/wait.ts';
import { Connection } from './connection.ts';
import { parsePlace } from './place.ts';

jest.setTimeout(120_000);
const suite = describeUnless(findMariadb() ? undefined : 'no MariaDB server on this machine');

const LEASE_MS = 2_000;

/** The way to a server, which can be cut without either end being told: a machine that is gone says nothing. */
async function openWay(port: number) {
  const sockets: Socket[] = [];
  const server = createServer((client) => {
    const upstream = createConnection({ port, host: '127.0.0.1' });
    for (const socket of [client, upstream]) socket.on('error', () => {});
    sockets.push(client, upstream);
    client.pipe(upstream);
    upstream.pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('not listening');
  return {
    port: address.port,
    cut: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

suite('the lease of a session', () => {
  let server: MariadbServer;
  beforeAll(async () => {
    server = await startMariadb();
    await server.query('CREATE DATABASE shop; USE shop; CREATE TABLE orders (n int PRIMARY KEY)');
  });
  afterAll(() => server.stop());

  test('its locks last while we are there, however idle, and end by themselves when we are gone', async () => {
    const url = new URL(server.url('shop'));
    await using way = await openWay(Number(url.port));
    url.port = String(way.port);
    const { signal } = new AbortController();
    await using guard = await Connection.open(parsePlace(url.href), { signal, leaseMs: LEASE_MS });
    await guard.run('START TRANSACTION; SELECT 1 FROM shop.orders LIMIT 0', signal);
    const alter = (column: string, waitSeconds: number) =>
      server.query(
        `SET lock_wait_timeout = ${waitSeconds}; ALTER TABLE orders ADD COLUMN ${column} int`,
        'shop',
      );

    await sleep(2 * LEASE_MS, signal);
    expect(guard.broken).toBe(false);
    await expect(alter('a', 1)).rejects.toThrow(/lock wait timeout/i);

    way.cut();
    await alter('b', 60);
  });
});
