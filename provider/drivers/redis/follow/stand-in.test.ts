import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { StandIn } from './stand-in.ts';

const USER = 'stand-in';
const PASSWORD = 'one-time';
const RDB = Buffer.from('the whole of the data');

function listen(peer = '127.0.0.1'): Promise<StandIn> {
  const rdb = (async function* () {
    yield RDB;
  })();
  return StandIn.listen({ address: '127.0.0.1', peer, user: USER, password: PASSWORD, rdb });
}

function command(...words: string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;
}

/** What came until the other side closed, or until `enough` came. */
async function talk(socket: Socket, said: string, enough?: string): Promise<string> {
  let heard = '';
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.on('error', () => resolve());
  socket.on('close', () => resolve());
  socket.on('data', (chunk) => {
    heard += chunk.toString('latin1');
    if (enough !== undefined && heard.includes(enough)) resolve();
  });
  socket.write(said);
  await promise;
  return heard;
}

const login = command('AUTH', USER, PASSWORD);
const sync = command('REPLCONF', 'capa', 'eof') + command('PSYNC', '?', '-1');

describe('a stand-in master', () => {
  test('sends the data to whoever logs in as the peer, between two equal marks', async () => {
    await using standIn = await listen();
    const peer = connect(standIn.port, '127.0.0.1');
    const heard = await talk(peer, command('PING') + login + sync, RDB.toString());
    expect(heard).toMatch(
      /^-NOAUTH.*\r\n\+OK\r\n\+OK\r\n\+FULLRESYNC [0-9a-f]{40} 0\r\n\$EOF:[0-9a-f]{40}\r\n/,
    );
    await standIn.done;
    expect(standIn.broken).toBe(false);
    peer.destroy();
    await once(peer, 'close');
  });

  test.each([
    ['does not log in', sync],
    ['gives a wrong password', command('AUTH', USER, 'guess-it') + sync],
    ['gives a shorter password', command('AUTH', USER, 'one') + sync],
    ['gives the password alone', command('AUTH', PASSWORD) + sync],
    ['is another user', command('AUTH', 'default', PASSWORD) + sync],
    ['asks in another protocol', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['never ends its command', `*1\r\n$99999\r\n${'x'.repeat(80_000)}`],
  ])('cuts off who %s, without any data, and still serves the peer', async (_name, said) => {
    await using standIn = await listen();
    expect(await talk(connect(standIn.port, '127.0.0.1'), said)).not.toContain('FULLRESYNC');
    expect(standIn.refused).toBe(1);
    const peer = connect(standIn.port, '127.0.0.1');
    expect(await talk(peer, login + sync, RDB.toString())).toContain(RDB.toString());
    peer.destroy();
  });

  test('cuts off who comes second, though it knows the password', async () => {
    await using standIn = await listen();
    const peer = connect(standIn.port, '127.0.0.1');
    await talk(peer, login, '+OK');
    expect(await talk(connect(standIn.port, '127.0.0.1'), login + sync)).toBe('');
    expect(standIn.refused).toBe(1);
    peer.destroy();
  });

  test('cuts off who comes from another address, though it knows the password', async () => {
    await using standIn = await listen('127.0.0.2');
    expect(await talk(connect(standIn.port, '127.0.0.1'), login + sync)).toBe('');
    const peer = connect({ port: standIn.port, host: '127.0.0.1', localAddress: '127.0.0.2' });
    expect(await talk(peer, login + sync, RDB.toString())).toContain(RDB.toString());
    peer.destroy();
  });

  test('a peer that goes is noticed', async () => {
    await using standIn = await listen();
    const peer = connect(standIn.port, '127.0.0.1');
    await talk(peer, login, '+OK');
    peer.destroy();
    await expect(standIn.asked).rejects.toMatchObject({ code: 'redis.follow-failed' });
    await expect(standIn.done).rejects.toMatchObject({ code: 'redis.follow-failed' });
    expect(standIn.broken).toBe(true);
  });
});
