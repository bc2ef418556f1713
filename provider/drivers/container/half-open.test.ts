import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { makeImage } from '../../../test/support/container/rig.ts';
import { testContext } from '../../../test/support/context.ts';
import { labOrReason } from '../../../test/support/lab.ts';
import { on, until } from '../../../test/support/process/rig.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { usedLab } from '../../../test/support/used-lab.ts';
import { capture } from '../../coordinator/capture.ts';
import type { Member } from '../../coordinator/member.ts';
import { restore } from '../../coordinator/restore.ts';
import type { Host } from '../../core/host.ts';
import { ociLayout } from '../../stores/oci-layout/type.ts';
import { containerDriver } from './driver.ts';

const here = await labOrReason();
const used = usedLab(here, async () => {
  await makeImage(used.cloud);
});
const PATIENCE_MS = 300_000;

/** Serves, but never accepts; and calls somebody who does not answer. It counts on meanwhile. */
const BUSY = `
const net = require("net"), fs = require("fs");
net.connect(7999, process.argv[1]).on("error", () => {});
net.createServer().listen(7070, "0.0.0.0", 16, () => {
  setTimeout(() => {
    const wait = new Int32Array(new SharedArrayBuffer(4));
    for (let count = 1; ; count += 1) {
      fs.writeFileSync("/srv/count", String(count));
      Atomics.wait(wait, 0, 0, 50);
    }
  }, 300);
});
`;

/** Clients that wait for their turn: NAME. They end with the host. */
const KNOCK = `
pid=$(podman container inspect --format '{{.State.Pid}}' "$1")
for n in 1 2 3; do
  nsenter --net="/proc/$pid/ns/net" sh -c 'exec node -e "require(\\"net\\").connect(7070, \\"127.0.0.1\\").on(\\"error\\", () => {}); setTimeout(() => {}, 1e8)"' > /dev/null 2>&1 < /dev/null &
done
`;

function member(host: Host): Member {
  return { name: 'busy', driver: containerDriver, spec: containerDriver.spec.parse({ name: 'busy' }), host };
}

testUnless(here.reason)(
  'a container whose clients wait to be accepted, and which calls in vain, is captured and goes on elsewhere',
  async () => {
    const { cloud, sovereign, lab } = used;
    const folder = await mkdtemp(join(tmpdir(), 'stasis-half-open-'));
    await using cleanUp = new AsyncDisposableStack();
    cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
    const store = await ociLayout.open({ path: join(folder, 'store') }, testContext());
    const deaf =
      'table inet deaf { chain input { type filter hook input priority 0; tcp dport 7999 drop; }; }';
    await on(sovereign, 'printf %s "$1" | nft -f -', deaf);
    await on(
      cloud,
      'podman run --detach --name busy --volume /srv localhost/stasis-test:1 node -e "$1" "$2" > /dev/null',
      ...[BUSY, lab.hosts.sovereign.address],
    );
    const sockets = (host: Host, state: string): Promise<string> =>
      on(
        host,
        `pid=$(podman container inspect --format '{{.State.Pid}}' busy); nsenter --net="/proc/$pid/ns/net" ss -Htan state "$1"`,
        state,
      );
    // A container and Node.js in it have to start, which takes its time on a busy machine.
    await until(async () => (await sockets(cloud, 'syn-sent')).includes(':7999'), 60_000);
    // From then on it accepts nobody any more.
    await until(async () => Number(await on(cloud, 'podman exec busy cat /srv/count')) > 0, 60_000);
    await on(cloud, KNOCK, 'busy');
    await until(async () => /^3\s/m.test(await sockets(cloud, 'listening')));
    const request = {
      name: 'busy',
      owner: 'test',
      limits: { maxPauseMs: 8_000, maxBlurMs: 0 },
      createdBy: 'test',
    };
    const sealed = await capture({ ...request, members: [member(cloud)], store }, testContext());
    expect(sealed.manifest.sharp).toBe(true);
    const { outside } = sealed.manifest.members.busy!.coverage;
    expect(outside).toContainEqual(expect.objectContaining({ code: 'container.backlog' }));
    const snapshot = await store.open(sealed.name, sealed.digest, testContext());
    const result = await restore(
      {
        ...{
          restoreId: 'busy-1',
          overwrite: false,
          safetySnapshot: false,
          verify: 'identical',
          expiry: 'absolute',
        },
        ...{ createdBy: 'test', store, snapshot, members: [member(sovereign)] },
      },
      testContext(),
    );
    expect(result.verdict).toBe('identical');
    const count = async (): Promise<number> => Number(await on(sovereign, 'podman exec busy cat /srv/count'));
    const before = await count();
    await until(async () => (await count()) > before + 3);
  },
  PATIENCE_MS,
);
