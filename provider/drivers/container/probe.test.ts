import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect } from '@jest/globals';
import { ContainerApplication, getIn, makeImage } from '../../../test/support/container/rig.ts';
import { testContext } from '../../../test/support/context.ts';
import { labOrReason } from '../../../test/support/lab.ts';
import { commandProbe, httpProbe } from '../../../test/support/probes.ts';
import { on, type TokenState, until } from '../../../test/support/process/rig.ts';
import { startService } from '../../../test/support/process/servers.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { usedLab } from '../../../test/support/used-lab.ts';
import { capture } from '../../coordinator/capture.ts';
import type { Member } from '../../coordinator/member.ts';
import { type RestoreResult, restore } from '../../coordinator/restore.ts';
import type { RestoreRequest } from '../../coordinator/restore-plan.ts';
import { Turn } from '../../coordinator/turn.ts';
import type { Host } from '../../core/host.ts';
import type { SealedSnapshot, Store } from '../../core/store.ts';
import { ociLayout } from '../../stores/oci-layout/type.ts';
import { containerDriver } from './driver.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 400_000;
const REQUEST = { owner: 'test', limits: { maxPauseMs: 20_000, maxBlurMs: 0 }, createdBy: 'test' };

/** Asks a fellow by the connection that it has and by a new one, reads a file of the host, and where there is another one speaks to the outside without end. */
const SHOP = `
const { connect } = require('net'), { createSocket } = require('dgram');
const started = Math.random().toString(36), letters = createSocket('udp4').on('error', () => {});
const fellow = connect(6379, '10.89.7.10');
setInterval(() => {
  if (!require('fs').existsSync('/outside/speak')) return;
  letters.send('mail', 7600, '198.51.100.1', () => {});
  const out = connect(7601, '198.51.100.1').on('error', () => {});
  setTimeout(() => out.destroy(), 300);
}, 20);
const answers = {
  '/started': (say) => say(started),
  '/where': (say) => say(require('fs').readFileSync('/outside/where')),
  '/kept': (say) => { fellow.once('data', say); fellow.write('GET books\\r\\n'); },
  '/anew': (say) => connect(6379, '10.89.7.10').on('error', (error) => say(error.message)).on('data', function (text) { this.destroy(); say(text); }).write('GET books\\r\\n'),
  '/late': (say) => setTimeout(say, 1500, 'late'),
};
require('http').createServer((request, response) => {
  const answer = answers[request.url];
  if (!answer) { response.statusCode = 404; return response.end(); }
  answer((text) => response.end(text));
}).listen(7070);
`;
const RUN = `
set -e
podman network create --subnet 10.89.7.0/24 shopnet > /dev/null
podman run --detach --name redis --network shopnet --ip 10.89.7.10 "$1" \\
  redis-server --save '' --protected-mode no --bind 0.0.0.0 > /dev/null
podman run --detach --name shop --network shopnet --ip 10.89.7.11 --publish 7272:7070 \\
  --volume /srv/outside:/outside:ro "$1" node -e "$2" > /dev/null
podman exec redis redis-cli set books twelve > /dev/null
`;
/** What is sent out of a network of podman, and is no answer to whoever asked. */
const OUTSIDE = `
ip addr add 198.51.100.1/32 dev lo
nft -f - <<'NFT'
table inet count {
  counter outside { }
  chain in { type filter hook prerouting priority -400; iifname "podman*" ip daddr 198.51.100.1 th dport { 7600, 7601 } counter name outside; }
}
NFT
`;
/** Whoever would use it from outside, once there is a file that lets him: how often he tried and was answered, in a file. */
const CUSTOMER = `
import os, socket, time
tried = answered = 0
while True:
    if not os.path.exists('/run/customers'):
        time.sleep(0.02)
        continue
    for address in (('10.89.7.11', 7070), ('198.51.100.1', 7272)):
        tried += 1
        try:
            door = socket.create_connection(address, timeout=0.2)
            door.sendall(b'GET /started HTTP/1.0\\r\\n\\r\\n')
            answered += 1 if door.recv(1) else 0
            door.close()
        except OSError:
            pass
    open('/run/answered', 'w').write(f'{tried} {answered}')
    time.sleep(0.02)
`;
const LISTENER = `import socket
door = socket.create_server(('0.0.0.0', 7601))
while True: door.accept()[0].close()`;
const at = (path: string): { url: string } => ({ url: `http://127.0.0.1:7070${path}` });

describe('containers that are asked by HTTP', () => {
  let folder: string;
  let store: Store;
  const lab = usedLab(here, async () => {
    folder = await mkdtemp(join(tmpdir(), 'stasis-http-'));
    store = await ociLayout.open({ path: join(folder, 'store') }, testContext());
    for (const host of [lab.cloud, lab.sovereign])
      await on(host, 'mkdir -p /srv/outside && echo here > /srv/outside/where');
    await on(lab.cloud, RUN, await makeImage(lab.cloud), SHOP);
    await on(lab.sovereign, `touch /srv/outside/speak; ${OUTSIDE}`);
    await startService(lab.sovereign, 'listener', 'root', 'python3', '-c', LISTENER);
    await startService(lab.sovereign, 'customer', 'root', 'python3', '-c', CUSTOMER);
    await until(async () => (await getIn(lab.cloud, 'shop', '/started')) !== '', 60_000);
  });
  afterAll(async () => {
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  const members = (host: Host): Member[] =>
    ['redis', 'shop'].map((name) => ({
      ...{ name, driver: containerDriver, host },
      spec: containerDriver.spec.parse({ name }),
    }));
  const photograph = (): Promise<SealedSnapshot> => {
    const probes = [
      ...['started', 'where', 'late'].map((name) => httpProbe(name, 'shop', at(`/${name}`))),
      ...['kept', 'anew'].map((name) => httpProbe(name, 'shop', at(`/${name}`))),
      httpProbe('broken', 'shop', at('/broken')),
      commandProbe('book', 'redis', 'redis-cli', 'GET', 'books'),
    ];
    return capture({ ...REQUEST, name: 'shop', store, probes, members: members(lab.cloud) }, testContext());
  };
  const bringBack = async (
    sealed: SealedSnapshot,
    options: Pick<RestoreRequest, 'restoreId'> & Partial<RestoreRequest>,
  ): Promise<RestoreResult> => {
    const snapshot = await store.open(sealed.name, sealed.digest, testContext());
    return restore(
      {
        ...{ overwrite: false, safetySnapshot: false, verify: 'identical', expiry: 'absolute' },
        ...{ createdBy: 'test', store, snapshot, members: members(lab.sovereign), ...options },
      },
      {
        ...testContext(),
        progress: ({ step }) => {
          if (step === 'rehearse') void on(lab.sovereign, 'touch /run/customers');
        },
      },
    );
  };
  const outcomes = (result: RestoreResult): object =>
    Object.fromEntries(
      Object.entries(result.members.shop!.probes).map(([name, { outcome }]) => [name, outcome]),
    );
  const counted = async (): Promise<number> => {
    const listed = await on(lab.sovereign, 'nft list counter inet count outside');
    return Number(/packets (\d+)/.exec(listed)?.[1]);
  };
  const customers = async (): Promise<{ tried: number; answered: number }> => {
    const [tried = 0, answered = 0] = (await on(lab.sovereign, 'cat /run/answered')).split(' ').map(Number);
    return { tried, answered };
  };
  const left = (): Promise<string> =>
    on(
      lab.sovereign,
      'podman ps --all --quiet; podman network ls --quiet | grep shop; ls /run/stasis/fellows; ls /var/lib/stasis 2> /dev/null; true',
    );
  const drop = (): Promise<string> =>
    on(
      lab.sovereign,
      'podman rm --all --force --time 0 > /dev/null; podman network rm shopnet > /dev/null; rm -rf /var/lib/stasis',
    );

  labTest('is asked as it runs, how quickly it answers', async () => {
    const [redis, shop] = members(lab.cloud) as [Member, Member];
    const context = testContext();
    for (const [{ spec, host }, { question }] of [
      [shop, httpProbe('', '', at('/started'))],
      [redis, commandProbe('', '', 'redis-cli', 'GET', 'books')],
    ] as const) {
      const answers = await containerDriver.ask!(spec as never, host, context);
      await using turn = await Turn.open(answers, [question], context);
      const { requests, p50Ms, lineMs } = await turn.pace((asked) => asked >= 3);
      expect(requests).toBe(3);
      expect(lineMs).toBeGreaterThan(0);
      expect(p50Ms).toBeGreaterThanOrEqual(lineMs);
    }
  });

  labTest(
    'answer the same before they are released, with their fellows and cut off from all others; another answer is drift, and nothing stays',
    async () => {
      const sealed = await photograph();
      const { probes = {}, sharp } = sealed.manifest;
      expect(sharp).toBe(true);
      const ties = Object.entries(probes).map(([name, { tie, error }]) => [name, error?.code ?? tie]);
      expect(Object.fromEntries(ties)).toEqual({
        ...{ started: 'around', where: 'around', kept: 'around', anew: 'around', late: 'around' },
        ...{ broken: 'probe.http-status', book: 'around' },
      });

      // Rehearsed for more than a second, and not released: nobody outside has heard of it, and nobody was answered.
      await on(lab.sovereign, 'echo elsewhere > /srv/outside/where');
      await expect(bringBack(sealed, { restoreId: 'drifted' })).rejects.toMatchObject({
        code: 'restore.drifted',
        message: expect.stringContaining('shop probe/where'),
      });
      expect(await counted()).toBe(0);
      const kept = await customers();
      expect(kept.tried).toBeGreaterThan(2);
      expect(kept.answered).toBe(0);
      await on(lab.sovereign, 'rm /run/customers');
      expect(await left()).toBe('');

      await on(lab.sovereign, 'echo here > /srv/outside/where');
      const result = await bringBack(sealed, { restoreId: 'equal' });
      expect(result.verdict).toBe('identical');
      expect(result.members.redis!.probes).toMatchObject({ book: { outcome: 'equal' } });
      const same = { started: 'equal', where: 'equal', kept: 'equal', anew: 'equal', late: 'equal' };
      expect(outcomes(result)).toEqual({ ...same, broken: 'unasked' });
      // Released, it speaks to all and answers all: what was counted could be.
      await until(async () => (await counted()) > 5 && (await customers()).answered > 5);
      expect(await getIn(lab.sovereign, 'shop', '/started')).toBe(await getIn(lab.cloud, 'shop', '/started'));
      expect(await on(lab.sovereign, 'ls /run/stasis/fellows')).toBe('');
      await on(lab.sovereign, 'rm /run/customers');
      await drop();

      const before = await counted();
      const blocked = await bringBack(sealed, { restoreId: 'blocked', egress: 'blocked' });
      expect(outcomes(blocked)).toEqual({ ...same, broken: 'unasked' });
      await until(async () => (await getIn(lab.sovereign, 'shop', '/anew')).includes('twelve'));
      expect(await counted()).toBe(before);
      await drop();
    },
    PATIENCE_MS,
  );

  labTest(
    'of one pod answer in the network that they share',
    async () => {
      const application = await ContainerApplication.start(lab.cloud, 'pod');
      await application.get('/issue/ticket');
      const pod = (host: Host): Member => ({
        ...{ name: 'pod', driver: containerDriver, host },
        spec: containerDriver.spec.parse({ pod: 'shop' }),
      });
      const probes = [
        httpProbe('tokens', 'pod', at('/state'), { comparison: { jsonPath: '$.tokens' } }),
        httpProbe('connections', 'pod', at('/state'), {
          comparison: { jsonPath: '$.connections' },
          expect: '1',
        }),
        commandProbe('which', 'pod', 'true'),
      ];
      const sealed = await capture(
        { ...REQUEST, name: 'pod', store, probes, members: [pod(lab.cloud)] },
        testContext(),
      );
      expect(sealed.manifest.probes).toMatchObject({
        ...{ tokens: { tie: 'around' }, connections: { tie: 'around', asExpected: true } },
        which: { error: { code: 'probe.several-containers' } },
      });
      const result = await bringBack(sealed, { restoreId: 'pod', members: [pod(lab.sovereign)] });
      expect(result).toMatchObject({
        verdict: 'identical',
        members: { pod: { probes: { tokens: { outcome: 'equal' }, connections: { outcome: 'equal' } } } },
      });
      const { confirmed } = await stateOf(lab.sovereign);
      await until(async () => (await stateOf(lab.sovereign)).confirmed > confirmed);
      expect(await stateOf(lab.sovereign)).toMatchObject({ connections: 1, errors: 0, backwards: 0 });
    },
    PATIENCE_MS,
  );
});

async function stateOf(host: Host): Promise<TokenState> {
  return JSON.parse(await getIn(host, 'pod-tokens', '/state')) as TokenState;
}
