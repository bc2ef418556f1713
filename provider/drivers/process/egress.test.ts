import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { labOrReason } from '../../../test/support/lab.ts';
import { Photographer } from '../../../test/support/process/photographer.ts';
import { on, until } from '../../../test/support/process/rig.ts';
import { startService } from '../../../test/support/process/servers.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { setEgress } from '../../coordinator/egress.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 240_000;
const SPEC = { pidFile: '/run/mailer.pid', files: ['/srv/mailer'] };

/**
 * Once there is a file `go` in its folder, sends a datagram and tries to connect to an address outside, again and again;
 * tells on port 7500 what became of it.
 */
const MAILER = `
import os, socket, threading, time
tried, connected = [0], [0]
def send():
    letter = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while not os.path.exists('/srv/mailer/go'):
        time.sleep(0.05)
    while True:
        tried[0] += 1
        try:
            letter.sendto(b'mail', ('198.51.100.1', 7600))
        except OSError:
            pass
        try:
            socket.create_connection(('198.51.100.1', 7601), timeout=0.1).close()
            connected[0] += 1
        except OSError:
            time.sleep(0.02)
threading.Thread(target=send, daemon=True).start()
door = socket.create_server(('0.0.0.0', 7500))
while True:
    guest = door.accept()[0]
    guest.sendall(f'{tried[0]} {connected[0]}'.encode())
    guest.close()
`;
const ask = (address: string): string =>
  `python3 -c 'import socket; s = socket.create_connection(("${address}", 7500), timeout=5); print(s.recv(99).decode())'`;
/** Connects a restored network with its host, and listens there. */
const CONNECT = `
ip link add outside0 type veth peer name out0 netns "$1" && ip addr add 198.51.100.1/30 dev outside0
ip link set outside0 up
ip -n "$1" addr add 198.51.100.2/30 dev out0 && ip -n "$1" link set out0 up
`;
const LISTENER = `import socket
door = socket.create_server(('0.0.0.0', 7601))
while True: door.accept()[0].close()`;

describe('a process that speaks to the outside', () => {
  let photographer: Photographer;

  beforeAll(async () => {
    if (here.reason !== undefined) return;
    photographer = await Photographer.start(here);
    const { cloud, sovereign } = photographer;
    await on(cloud, 'mkdir -p /srv/mailer');
    await startService(cloud, 'mailer', 'root', 'python3', '-c', MAILER);
    await until(async () => (await on(cloud, ask('127.0.0.1'))) !== '');
    await startService(sovereign, 'listener', 'root', 'python3', '-c', LISTENER);
  }, PATIENCE_MS);
  afterAll(() => photographer?.[Symbol.asyncDispose](), PATIENCE_MS);

  labTest(
    'sends nothing out while it is blocked, answers who asks it, and speaks once it is opened, without a restore',
    async () => {
      const { sovereign } = photographer;
      const sealed = await photographer.photograph('mailer', SPEC);
      const options = { egress: 'blocked', restoreId: 'rehearsal' } as const;
      const twin = await photographer.bringBack(sealed, sovereign, options);
      const network = await on(sovereign, 'ls /run/netns | grep ^stasis-');
      await on(sovereign, CONNECT, network);
      const told = async (): Promise<{ tried: number; connected: number }> => {
        const [tried = 0, connected = 0] = (await twin.run(ask('127.0.0.1'))).split(' ').map(Number);
        return { tried, connected };
      };
      const received = async (): Promise<number> =>
        Number(await on(sovereign, 'cat /sys/class/net/outside0/statistics/rx_packets'));
      await twin.run('touch /srv/mailer/go');
      const before = await told();
      await until(async () => (await told()).tried > before.tried + 50);
      expect((await told()).connected).toBe(before.connected);
      expect(await received()).toBe(0);

      expect(Number((await on(sovereign, ask('198.51.100.2'))).split(' ')[0])).toBeGreaterThan(before.tried);
      expect((await told()).connected).toBe(before.connected);

      const members = [photographer.member('mailer', sovereign, { pidFile: twin.pidFile })];
      await expect(setEgress(members, 'open', 'another', testContext())).rejects.toMatchObject({
        code: 'restore.filled-by-another',
        at: ['members', 'mailer', 'process'],
      });
      expect((await told()).connected).toBe(before.connected);

      const pid = await on(sovereign, 'cat "$1"', twin.pidFile);
      await setEgress(members, 'open', 'rehearsal', testContext());
      await until(async () => (await told()).connected > before.connected + 5);
      expect(await on(sovereign, 'cat "$1"', twin.pidFile)).toBe(pid);

      await setEgress(members, 'blocked', 'rehearsal', testContext());
      const blocked = await told();
      await until(async () => (await told()).tried > blocked.tried + 20);
      // One connection may have been under way.
      expect((await told()).connected).toBeLessThanOrEqual(blocked.connected + 1);
    },
    PATIENCE_MS,
  );
});
