import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { getIn, makeImage } from '../../../test/support/container/rig.ts';
import { testContext } from '../../../test/support/context.ts';
import { labOrReason } from '../../../test/support/lab.ts';
import { on, until } from '../../../test/support/process/rig.ts';
import { startService } from '../../../test/support/process/servers.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { usedLab } from '../../../test/support/used-lab.ts';
import { capture } from '../../coordinator/capture.ts';
import { setEgress } from '../../coordinator/egress.ts';
import type { Member } from '../../coordinator/member.ts';
import { restore } from '../../coordinator/restore.ts';
import type { Host } from '../../core/host.ts';
import type { Store } from '../../core/store.ts';
import { ociLayout } from '../../stores/oci-layout/type.ts';
import { containerDriver } from './driver.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 400_000;
const used = usedLab(here, async () => {
  await on(used.cloud, RUN, await makeImage(used.cloud), MAILER);
  await on(used.sovereign, OUTSIDE);
  await startService(used.sovereign, 'listener', 'root', 'python3', '-c', LISTENER);
});

/**
 * Asks a fellow member over one connection, and once it is asked for /speak writes and connects to an address outside,
 * again and again; tells what became of it.
 */
const MAILER = `
const { connect } = require('net'), { createSocket } = require('dgram');
const seen = { tried: 0, connected: 0, fellow: 0 };
const letters = createSocket('udp4').on('error', () => {});
const fellow = connect(6379, '10.89.7.10').on('error', () => {}).on('data', () => { seen.fellow += 1; });
setInterval(() => fellow.writable && fellow.write('PING\\r\\n'), 50);
const speak = () => setInterval(() => {
  seen.tried += 1;
  letters.send('mail', 7600, '198.51.100.1', () => {});
  const out = connect(7601, '198.51.100.1', () => { seen.connected += 1; out.destroy(); }).on('error', () => {});
  setTimeout(() => out.destroy(), 500);
}, 50);
require('http').createServer((request, response) => {
  if (request.url === '/speak') speak();
  response.end(JSON.stringify(seen));
}).listen(7070);
`;
const RUN = `
set -e
podman network create --subnet 10.89.7.0/24 shopnet > /dev/null
podman run --detach --name redis --network shopnet --ip 10.89.7.10 "$1" \\
  redis-server --save '' --protected-mode no --bind 0.0.0.0 > /dev/null
podman run --detach --name mailer --network shopnet --ip 10.89.7.11 --restart always "$1" node -e "$2" > /dev/null
`;
/**
 * An outside on the host itself, and a count of all that comes out of a network of podman's and is for no other container
 * in it. (Where the kernel shows bridged packets to this table, those between containers come by as well.)
 */
const OUTSIDE = `
ip addr add 198.51.100.1/32 dev lo
nft -f - <<'NFT'
table inet count {
  counter outside { }
  chain in { type filter hook prerouting priority -400; iifname "podman*" ip daddr != 10.89.7.2-10.89.7.254 counter name outside; }
}
NFT
`;
const LISTENER = `import socket
door = socket.create_server(('0.0.0.0', 7601))
while True: door.accept()[0].close()`;

interface Seen {
  readonly tried: number;
  readonly connected: number;
  readonly fellow: number;
}

describe('containers that speak to the outside', () => {
  let folder: string;
  let store: Store;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stasis-egress-'));
    store = await ociLayout.open({ path: join(folder, 'store') }, testContext());
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const members = (host: Host): Member[] =>
    ['mailer', 'redis'].map((name) => ({
      ...{ name, driver: containerDriver, host },
      spec: containerDriver.spec.parse({ name }),
    }));
  const seen = async (host: Host): Promise<Seen> => JSON.parse(await getIn(host, 'mailer', '/')) as Seen;
  const speak = async (): Promise<boolean> => (await getIn(used.sovereign, 'mailer', '/speak')) !== '';
  const counted = async (): Promise<number> => {
    const listed = await on(used.sovereign, 'nft list counter inet count outside');
    return Number(/packets (\d+)/.exec(listed)?.[1]);
  };
  const kept = (): Promise<string> =>
    on(
      used.sovereign,
      'ls -d /var/lib/stasis/egress /etc/containers/containers.conf.d/stasis-egress.conf; true',
    );

  /** Until it has tried again so often; what it has seen then. */
  async function afterTries(more: number): Promise<Seen> {
    const { tried } = await seen(used.sovereign);
    await until(async () => (await seen(used.sovereign)).tried > tried + more);
    return seen(used.sovereign);
  }

  labTest(
    'speak to one another and to nobody else while they are blocked, also once podman has started them anew, and to all once they are opened',
    async () => {
      await until(async () => (await seen(used.cloud)).fellow > 10, 60_000);
      const limits = { maxPauseMs: 20_000, maxBlurMs: 0 };
      const request = { name: 'mail', owner: 'test', limits, createdBy: 'test', store };
      const sealed = await capture({ ...request, members: members(used.cloud) }, testContext());
      const result = await restore(
        {
          ...{ restoreId: 'rehearsal', overwrite: false, safetySnapshot: false, verify: 'identical' },
          ...{ expiry: 'absolute', egress: 'blocked', createdBy: 'test', store },
          snapshot: await store.open(sealed.name, sealed.digest, testContext()),
          members: members(used.sovereign),
        },
        testContext(),
      );
      expect(result.verdict).toBe('identical');
      await speak();
      const first = await seen(used.sovereign);
      const blocked = await afterTries(40);
      expect(blocked.connected).toBe(first.connected);
      expect(blocked.fellow).toBeGreaterThan(first.fellow + 20);
      expect(await counted()).toBe(0);

      await on(used.sovereign, 'podman restart --time 0 mailer > /dev/null');
      await until(speak, 60_000);
      expect((await afterTries(40)).connected).toBe(0);
      expect(await counted()).toBe(0);

      // Who asks is answered.
      const address = await on(
        used.sovereign,
        `podman inspect --format '{{.NetworkSettings.Networks.shopnet.IPAddress}}' mailer`,
      );
      const ask = 'fetch(process.argv[1]).then((answer) => answer.text()).then(console.log)';
      const answer = JSON.parse(
        await on(used.sovereign, 'node -e "$1" "$2"', ask, `http://${address}:7070/`),
      );
      expect(answer).toMatchObject({ connected: 0 });

      await setEgress(members(used.sovereign), 'open', 'rehearsal', testContext());
      await until(async () => (await seen(used.sovereign)).connected > 5);
      expect(await kept()).toBe('');
      await on(used.sovereign, 'podman restart --time 0 mailer > /dev/null');
      await until(speak, 60_000);
      await until(async () => (await seen(used.sovereign)).connected > 5);
    },
    PATIENCE_MS,
  );
});
