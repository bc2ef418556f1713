import { expect } from '@jest/globals';
import { labOrReason } from '../../../test/support/lab.ts';
import { labHost, on, until } from '../../../test/support/process/rig.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { HOOK } from './restore-scripts.ts';

const here = await labOrReason();

/** Two networks as containers have them, one link between them. */
const MAKE_NETWORKS = `
ip netns add shop && ip netns add till && ip -n shop link add eth0 type veth peer name eth0 netns till &&
for one in shop.1 till.2; do
  ip -n "\${one%.*}" address add "10.91.7.\${one#*.}/24" dev eth0 && ip -n "\${one%.*}" link set eth0 up || exit 1
done
`;
const SERVER = `
import os, socket
server = socket.create_server(('10.91.7.2', 47001))
open('/run/till.pid', 'w').write(str(os.getpid()))
peer, _ = server.accept()
while True: peer.sendall(peer.recv(5))
`;
/** Keepalive gives its connection up after four seconds without an answer; then it asks whether that lives. */
const CLIENT = `
import os, socket, time
client = socket.create_connection(('10.91.7.2', 47001))
for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 3)):
    client.setsockopt(socket.IPPROTO_TCP, option, value)
client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
open('/run/shop.pid', 'w').write(str(os.getpid()))
while os.path.exists('/run/shop.pid'): time.sleep(0.05)
client.settimeout(10)
client.sendall(b'lives')
print(client.recv(5).decode())
`;
const GATE = `
mkdir -p /run/gate && printf %s "$1" > /run/gate/hook && echo open > /run/gate/egress || exit 1
CRTOOLS_SCRIPT_ACTION=post-restore CRTOOLS_INIT_PID="$(cat "/run/$2.pid")" sh /run/gate/hook
`;
const TABLES = `ip netns exec "$1" nft list ruleset`;
const OPEN = `for network in shop till; do ip netns exec "$network" nft flush ruleset; done; rm /run/shop.pid`;

testUnless(here.reason)(
  'a connection that waits behind the gates of two containers is not given up by keepalive, however short that is',
  async () => {
    await using lab = await here.start();
    await using cloud = labHost(lab, 'cloud');
    await on(cloud, MAKE_NETWORKS);
    const within = (network: string, program: string): Promise<string> =>
      on(cloud, 'exec timeout 50 ip netns exec "$1" python3 -c "$2"', network, program);
    const server = within('till', SERVER).catch(() => undefined);
    await until(async () => (await on(cloud, 'cat /run/till.pid')) !== '');
    const said = within('shop', CLIENT);
    await until(async () => (await on(cloud, 'cat /run/shop.pid')) !== '');
    for (const network of ['shop', 'till']) {
      await on(cloud, GATE, HOOK, network);
      expect(await on(cloud, TABLES, network)).toContain('table inet stasis');
    }
    await on(cloud, 'sleep 12');
    await on(cloud, OPEN);
    expect(await said).toBe('lives');
    await on(cloud, 'kill "$(cat /run/till.pid)"');
    await server;
  },
  180_000,
);
