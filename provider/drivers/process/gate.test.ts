import { expect } from '@jest/globals';
import { labOrReason } from '../../../test/support/lab.ts';
import { labHost, on } from '../../../test/support/process/rig.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { MAKE_NETWORK } from './restore-scripts.ts';

const here = await labOrReason();
const NETWORK = 'stasis-gate-test';

/** A connection of its own that keepalive gives up after four seconds without an answer; then asks it whether it lives. */
const CONNECTION = `
import os, socket, time
server = socket.create_server(('127.0.0.1', 47001))
client = socket.create_connection(server.getsockname(), source_address=('127.0.0.1', 47002))
peer, _ = server.accept()
for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 3)):
    client.setsockopt(socket.IPPROTO_TCP, option, value)
client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
open('/run/connected', 'w').close()
time.sleep(12)
while os.path.exists('/run/connected'): time.sleep(0.05)
client.sendall(b'lives')
peer.settimeout(10)
print(peer.recv(5).decode())
`;

testUnless(here.reason)(
  'a connection that waits behind the gate is not given up by keepalive, however short that is',
  async () => {
    await using lab = await here.start();
    await using cloud = labHost(lab, 'cloud');
    await on(cloud, MAKE_NETWORK, NETWORK, 'open');
    const said = on(cloud, `exec ip netns exec ${NETWORK} python3 -c "$1"`, CONNECTION);
    await on(cloud, 'n=0; until [ -e /run/connected ] || [ $n -gt 100 ]; do n=$((n + 1)); sleep 0.1; done');
    await on(cloud, MAKE_NETWORK, NETWORK, 'open', 'pair:47001.47002');
    const gate = (action: string): Promise<string> =>
      on(cloud, `ip netns exec ${NETWORK} nft ${action} table netdev stasis`);
    expect(await gate('list')).toContain('47001 . 47002');
    await on(cloud, 'sleep 12');
    await gate('delete');
    await on(cloud, 'rm /run/connected');
    expect(await said).toBe('lives');
    // As where a restore goes on of which another member was released already.
    await on(cloud, MAKE_NETWORK, NETWORK, 'open', 'pair:47003.47004');
    expect(await gate('list')).toContain('47003 . 47004');
  },
  120_000,
);
