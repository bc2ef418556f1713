import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { labOrReason } from '../../../test/support/lab.ts';
import { Photographer } from '../../../test/support/process/photographer.ts';
import { on, until } from '../../../test/support/process/rig.ts';
import { startService } from '../../../test/support/process/servers.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { setEgress } from '../../coordinator/egress.ts';
import { restore } from '../../coordinator/restore.ts';
import type { Host } from '../../core/host.ts';
import type { SealedSnapshot } from '../../core/store.ts';
import { processDriver } from './driver.ts';
import { parsePort } from './ports.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 240_000;

describe('a port of a restored tree', () => {
  test.each([
    ['8080', { protocol: 'tcp', address: undefined, port: 8080, inside: 8080 }],
    ['8080:80', { protocol: 'tcp', address: undefined, port: 8080, inside: 80 }],
    ['127.0.0.1:8080:80', { protocol: 'tcp', address: '127.0.0.1', port: 8080, inside: 80 }],
    ['10.0.0.7:53/udp', { protocol: 'udp', address: '10.0.0.7', port: 53, inside: 53 }],
  ])('%s is of its host, then its own', (text, port) => {
    expect(parsePort(text)).toEqual(port);
  });

  test.each(['0', '65536', '80:', ':80', '80/sctp', '300.0.0.1:80', 'web', '::1:80', '80:80:80'])(
    '%s is none',
    (text) => {
      expect(processDriver.spec.safeParse({ pidFile: '/run/web.pid', ports: [text] }).success).toBe(false);
    },
  );

  test.each([
    [['8080', '8080:80'], false],
    [['127.0.0.1:8080', '8080:80'], false],
    [['127.0.0.1:8080', '127.0.0.2:8080'], true],
    [['53/udp', '53/tcp'], true],
  ])('%j lead to one each: %s', (ports, isFine) => {
    expect(processDriver.spec.safeParse({ pidFile: '/run/web.pid', ports }).success).toBe(isFine);
  });
});

/**
 * Answers with the address of who asks: on 7500 for everybody, on 7501 on loopback only, on 7502 at the host's own address,
 * and on 7503 by UDP. As long as there is a file `go` in its folder it connects to ADDRESS:7600 again and again.
 */
const SERVICE = `
import os, socket, sys, threading, time
own, target = sys.argv[1:]
def serve(address, port):
    door = socket.create_server((address, port))
    while True:
        guest, of = door.accept()
        guest.sendall(of[0].encode())
        guest.close()
def answer():
    door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    door.bind(('0.0.0.0', 7503))
    while True:
        _, of = door.recvfrom(99)
        door.sendto(of[0].encode(), of)
for address, port in [('0.0.0.0', 7500), ('127.0.0.1', 7501), (own, 7502)]:
    threading.Thread(target=serve, args=(address, port), daemon=True).start()
threading.Thread(target=answer, daemon=True).start()
while True:
    time.sleep(0.05)
    if not os.path.exists('/srv/echo/go'): continue
    try:
        socket.create_connection((target, 7600), timeout=1).close()
    except OSError:
        pass
`;
const TCP = `python3 -c 'import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3); print(s.recv(99).decode())' "$1" "$2"`;
const TCP_FROM = `python3 -c 'import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3, source_address=(sys.argv[3], 0)); print(s.recv(99).decode())' "$1" "$2" "$3"`;
const UDP = `python3 -c 'import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3); s.sendto(b"?", (sys.argv[1], int(sys.argv[2]))); print(s.recv(99).decode())' "$1" "$2"`;
/** Writes down who has connected. */
const LISTENER = `import socket
door = socket.create_server(('0.0.0.0', 7600))
while True:
    guest, of = door.accept()
    with open('/srv/listener/guests', 'a') as file: file.write(of[0] + '\\n')
    guest.close()`;
const SPEC = { pidFile: '/run/echo.pid', files: ['/srv/echo'] };
const PORTS = ['8500:7500', '8501:7501', '127.0.0.1:8502:7502', '8503:7503/udp'];
/** Everything that a connection of a restored tree consists of on its host. */
const TRACES =
  'nft list tables | grep stasis; ip -o link | grep " st-"; ls /run/stasis/ports 2> /dev/null; true';

const ALLOW = 'echo 1 > /proc/sys/net/ipv4/ip_forward';

describe('a restored tree that has ports of its host', () => {
  let photographer: Photographer;
  let sealed: SealedSnapshot;
  let addresses: Readonly<Record<'cloud' | 'sovereign', string>>;
  let elsewhere: string;

  beforeAll(async () => {
    if (here.reason !== undefined) return;
    photographer = await Photographer.start(here);
    const { cloud, sovereign, lab } = photographer;
    addresses = { cloud: lab.hosts.cloud.address, sovereign: lab.hosts.sovereign.address };
    await on(cloud, 'mkdir -p /srv/echo');
    // Inside, the original's address is the tree's own; what it speaks to has to have another.
    elsewhere = addresses.cloud.replace(/\d+$/, '99');
    await on(cloud, 'ip address add "$1/24" dev eth0', elsewhere);
    const service = [SERVICE, addresses.cloud, elsewhere];
    await startService(cloud, 'echo', 'root', 'python3', '-c', ...service);
    await until(async () => (await on(cloud, TCP, addresses.cloud, '7502')) === addresses.cloud);
    await startService(cloud, 'listener', 'root', 'python3', '-c', LISTENER);
    sealed = await photographer.photograph('echo', SPEC);
    await on(sovereign, ALLOW);
    await until(async () => (await on(sovereign, TRACES)) === '');
  }, PATIENCE_MS);
  afterAll(() => photographer?.[Symbol.asyncDispose](), PATIENCE_MS);

  const bringBack = async (name: string, ports: readonly string[], overwrite = false): Promise<string> => {
    const pidFile = `/run/${name}.pid`;
    const { sovereign } = photographer;
    const members = [photographer.member('echo', sovereign, { pidFile, ports })];
    const request = await photographer.request(sealed, members, { overwrite, restoreId: name });
    await restore({ ...request, restoreId: overwrite ? `${name}-again` : name }, testContext());
    return pidFile;
  };
  const end = async (host: Host, pidFile: string): Promise<void> => {
    await on(host, 'kill -9 "$(cat "$1")"; rm -f -- "$1" "$1.stasis"', pidFile);
    await until(async () => (await on(host, TRACES)) === '');
  };
  const guests = (): Promise<string> =>
    on(photographer.cloud, 'sort -u /srv/listener/guests 2> /dev/null; true');

  labTest(
    'is reached there from its host and from others, wherever it listens, and reaches others; nothing of that stays behind',
    async () => {
      const { cloud, sovereign } = photographer;
      const pidFile = await bringBack('reached', PORTS);
      // Who asks is known, but where the address exists inside as well.
      expect(await on(sovereign, TCP, addresses.sovereign, '8500')).toBe(addresses.sovereign);
      expect(await on(sovereign, TCP, '127.0.0.1', '8500')).toMatch(/^169\.254\./);
      expect(await on(cloud, TCP, addresses.sovereign, '8500')).toMatch(/^169\.254\./);
      expect(await on(cloud, TCP_FROM, addresses.sovereign, '8500', elsewhere)).toBe(elsewhere);
      expect(await on(cloud, TCP_FROM, addresses.sovereign, '8501', elsewhere)).toBe(elsewhere);
      expect(await on(sovereign, TCP, '127.0.0.1', '8502')).not.toBe('');
      await expect(on(cloud, TCP, addresses.sovereign, '8502')).rejects.toThrow('refused');
      expect(await on(cloud, UDP, addresses.sovereign, '8503')).not.toBe('');

      expect(await guests()).toBe('');
      await on(sovereign, 'touch "$(echo /var/lib/stasis/*/files-0)/go"');
      await until(async () => (await guests()) === addresses.sovereign);
      await end(sovereign, pidFile);
    },
    PATIENCE_MS,
  );

  labTest(
    'keeps them apart from those of its twin, and takes over those of what it replaces',
    async () => {
      const { sovereign } = photographer;
      const first = await bringBack('first', ['8500:7500']);
      const member = photographer.member('echo', sovereign, { pidFile: '/run/second.pid', ports: ['8500'] });
      const [problem] = await photographer.obstacles(sealed, member);
      expect(problem).toMatchObject({ code: 'process.port-taken', at: ['ports', '0'] });
      const second = await bringBack('second', ['8600:7500']);
      for (const port of ['8500', '8600'])
        expect(await on(sovereign, TCP, addresses.sovereign, port)).toBe(addresses.sovereign);

      const before = await on(sovereign, 'cat "$1"', first);
      await bringBack('first', ['8500:7500'], true);
      expect(await on(sovereign, 'cat "$1"', first)).not.toBe(before);
      await until(
        async () => (await on(sovereign, TCP, addresses.sovereign, '8500')) === addresses.sovereign,
      );
      await on(sovereign, 'kill -9 "$(cat "$1")"; rm -f -- "$1" "$1.stasis"', second);
      await end(sovereign, first);
    },
    PATIENCE_MS,
  );

  labTest(
    'is connected anew in place, and not at all in the end; while egress is blocked it only answers',
    async () => {
      const { sovereign } = photographer;
      const pidFile = await bringBack('changed', ['8500:7500']);
      const root = await on(sovereign, 'cat "$1"', pidFile);
      const set = (ports: readonly string[] | undefined, egress: 'open' | 'blocked'): Promise<void> => {
        const member = photographer.member('echo', sovereign, { pidFile, ...(ports ? { ports } : {}) });
        return setEgress([member], egress, 'changed', testContext());
      };
      await on(photographer.cloud, ': > /srv/listener/guests');
      await set(['8700:7500'], 'blocked');
      expect(await on(sovereign, TCP, addresses.sovereign, '8700')).toBe(addresses.sovereign);
      await expect(on(sovereign, TCP, addresses.sovereign, '8500')).rejects.toThrow('refused');
      await on(sovereign, 'touch "$(echo /var/lib/stasis/*/files-0)/go"; sleep 1');
      expect(await guests()).toBe('');
      await set(['8700:7500'], 'open');
      await until(async () => (await guests()) === addresses.sovereign);

      await set(undefined, 'open');
      expect(await on(sovereign, TRACES)).toBe('');
      expect(await on(sovereign, 'cat "$1"', pidFile)).toBe(root);
      await end(sovereign, pidFile);
    },
    PATIENCE_MS,
  );

  labTest(
    'has none that the host itself needs, nor any on a host that passes nothing on',
    async () => {
      const { sovereign } = photographer;
      const member = photographer.member('echo', sovereign, { pidFile: '/run/ssh.pid', ports: ['22:7500'] });
      const [problem] = await photographer.obstacles(sealed, member);
      expect(problem?.message).toContain('taken by sshd');
      await on(sovereign, 'echo 0 > /proc/sys/net/ipv4/ip_forward');
      try {
        const [first] = await photographer.obstacles(sealed, member);
        expect(first).toMatchObject({ code: 'process.no-forwarding', at: ['ports'] });
      } finally {
        await on(sovereign, ALLOW);
      }
    },
    PATIENCE_MS,
  );
});
