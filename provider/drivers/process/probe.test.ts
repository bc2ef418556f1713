import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { labOrReason } from '../../../test/support/lab.ts';
import { commandProbe, httpProbe } from '../../../test/support/probes.ts';
import { inside, Photographer } from '../../../test/support/process/photographer.ts';
import { on, until } from '../../../test/support/process/rig.ts';
import { startService } from '../../../test/support/process/servers.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { comparableMembers, comparableSnapshot, compare } from '../../coordinator/compare.ts';
import { drill } from '../../coordinator/drill.ts';
import type { Member } from '../../coordinator/member.ts';
import { restore } from '../../coordinator/restore.ts';
import type { Context } from '../../core/context.ts';
import type { Host } from '../../core/host.ts';
import type { Probe } from '../../core/probe.ts';
import { rejudge } from '../../core/verification.ts';
import { processDriver } from './driver.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 240_000;
const SECRET = 'sesame-4711';

/** A stock in memory on port 7301; a shop on 7300 that asks it, and tells of orders, of its host, and of itself. */
const STOCK = `
import socket
door = socket.create_server(('127.0.0.1', 7301))
while True:
    guest = door.accept()[0]
    guest.sendall(b'{"books": 12}')
    guest.close()
`;
const SHOP = `
import http.server, json, os, socket, time
orders, asked, first = ['one', 'two'], [0], os.urandom(8).hex()
bearer = open('/root/headers').read().split(': ')[1].strip()
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args): pass
    def tell(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers: self.send_header(name, value)
        self.end_headers()
        if self.command != 'HEAD': self.wfile.write(body.encode())
    def do_HEAD(self): self.tell(204, '')
    def do_POST(self):
        text = self.rfile.read(int(self.headers['content-length'])).decode()
        self.tell(200, text.upper())
    def do_GET(self):
        asked[0] += 1
        if self.path == '/orders': self.tell(200, json.dumps({'orders': len(orders), 'asked': asked[0]}))
        elif self.path == '/first': self.tell(200, first)
        elif self.path == '/stock': self.tell(200, socket.create_connection(('127.0.0.1', 7301)).recv(99).decode())
        elif self.path == '/where': self.tell(200, open('/etc/where').read())
        elif self.path == '/asked': self.tell(200, str(asked[0]))
        elif self.path == '/moved': self.tell(302, '', [('Location', '/first')])
        elif self.path == '/secret': self.tell(200 if self.headers['Authorization'] == bearer else 401, 'in')
        elif self.path == '/large': self.tell(200, 'x' * 3000000)
        elif self.path == '/slow': time.sleep(2); self.tell(200, 'late')
        else: self.tell(404, 'nothing here')
http.server.HTTPServer(('127.0.0.1', 7300), Handler).serve_forever()
`;
const at = (path: string): { url: string } => ({ url: `http://127.0.0.1:7300${path}` });

describe('a process that is asked by HTTP', () => {
  let photographer: Photographer;

  beforeAll(async () => {
    if (here.reason !== undefined) return;
    photographer = await Photographer.start(here);
    const { cloud, sovereign } = photographer;
    for (const host of [cloud, sovereign])
      await on(
        host,
        'echo here > /etc/where; umask 077; echo "Authorization: Bearer $1" > /root/headers',
        SECRET,
      );
    await startService(cloud, 'stock', 'root', 'python3', '-c', STOCK);
    await startService(cloud, 'shop', 'root', 'python3', '-c', SHOP);
    await until(async () => (await on(cloud, 'ss -Hltn "sport = 7300 or sport = 7301" | wc -l')) === '2');
  }, PATIENCE_MS);
  afterAll(() => photographer?.[Symbol.asyncDispose](), PATIENCE_MS);

  const members = (host: Host, prefix: string): Member[] =>
    ['shop', 'stock'].map((name) =>
      photographer.member(name, host, { pidFile: `/run/${prefix}${name}.pid` }),
    );
  const photograph = (name: string, probes: readonly Probe[]) =>
    photographer.photographAll(
      name,
      ['shop', 'stock'].map((one) =>
        photographer.member(one, photographer.cloud, { pidFile: `/run/${one}.pid`, files: [`/srv/${one}`] }),
      ),
      probes,
    );
  const end = (prefix: string): Promise<string> =>
    on(
      photographer.sovereign,
      'for p in "/run/$1shop.pid" "/run/$1stock.pid"; do kill -9 "$(cat "$p")"; rm -f "$p" "$p.stasis"; done',
      prefix,
    );
  /** Of what a restore makes on the target, what is there. */
  const left = (): Promise<string> =>
    on(
      photographer.sovereign,
      'ls /run/netns 2> /dev/null; ls -d /run/*shop.pid* /run/*stock.pid* /var/lib/stasis/* 2> /dev/null || true',
    );

  labTest(
    'answers beside the cut, and the same when it is restored, before its release and with its fellows',
    async () => {
      const { cloud, sovereign } = photographer;
      const pid = await on(cloud, 'cat /run/shop.pid');
      const sealed = await photograph('equal', [
        commandProbe('name', 'shop', 'cat', `/proc/${pid}/comm`),
        commandProbe('listens', 'stock', 'ss', '-Hltn', 'sport = 7301'),
        commandProbe('fails', 'stock', 'false'),
        httpProbe('orders', 'shop', at('/orders'), { comparison: { jsonPath: '$.orders' }, expect: '2' }),
        httpProbe('first', 'shop', at('/first')),
        httpProbe(
          'stock',
          'shop',
          { url: 'http://localhost:7300/stock' },
          { comparison: { jsonPath: '$.books' } },
        ),
        httpProbe('there', 'shop', { ...at('/'), method: 'HEAD', status: 204 }),
        httpProbe('posted', 'shop', { ...at('/'), method: 'POST', body: 'zwölf' }),
        httpProbe('secret', 'shop', { ...at('/secret'), headersFile: '/root/headers' }),
        httpProbe('asked', 'shop', at('/asked')),
        httpProbe('moved', 'shop', at('/moved')),
        httpProbe('missing', 'shop', at('/missing')),
        httpProbe('large', 'shop', at('/large')),
        httpProbe('slow', 'shop', at('/slow'), { timeoutMs: 200 }),
        httpProbe('nobody', 'shop', { url: 'http://127.0.0.1:7399/' }),
        httpProbe('unmet', 'shop', at('/first'), { expect: 'something else' }),
      ]);
      const { manifest } = sealed;
      expect(manifest).toMatchObject({ sharp: true, blurMs: 0 });
      expect(rejudge(manifest)).toEqual([]);
      const ties = Object.entries(manifest.probes!).map(([name, { tie, error }]) => [
        name,
        error?.code ?? tie,
      ]);
      expect(Object.fromEntries(ties)).toEqual({
        ...{ orders: 'around', first: 'around', stock: 'around', there: 'around', posted: 'around' },
        ...{ secret: 'around', unmet: 'around', asked: 'none' },
        ...{ moved: 'probe.http-status', missing: 'probe.http-status', large: 'probe.answer-too-long' },
        ...{ slow: 'timeout', nobody: 'probe.no-answer', fails: 'probe.command-failed' },
        ...{ name: 'around', listens: 'around' },
      });
      expect(manifest.probes!.nobody!.error!.message).toContain('Connection refused');
      expect(manifest.probes!.unmet!.asExpected).toBe(false);
      expect(JSON.stringify(manifest)).not.toContain(SECRET);

      // A claim of two answers around the cut that were not is found.
      const late = { ...manifest.probes!.first!, askedNs: manifest.probes!.first!.answeredNs! };
      expect(rejudge({ ...manifest, probes: { first: late } })).toMatchObject([{ members: ['shop'] }]);

      await using log = await onArguments(sovereign);
      const twin = await restore(
        await photographer.request(sealed, members(sovereign, 'twin-')),
        testContext(),
      );
      expect(await log.read()).not.toContain(SECRET);
      expect(twin.verdict).toBe('identical');
      const outcomes = Object.entries(twin.members.shop!.probes).map(([name, { outcome }]) => [
        name,
        outcome,
      ]);
      expect(Object.fromEntries(outcomes)).toEqual({
        ...{ orders: 'equal', first: 'equal', stock: 'equal', there: 'equal', posted: 'equal' },
        ...{ secret: 'equal', unmet: 'equal', asked: 'unasked', moved: 'unasked', missing: 'unasked' },
        ...{ large: 'unasked', slow: 'unasked', nobody: 'unasked', name: 'equal' },
      });
      expect(twin.members.stock!.probes).toMatchObject({
        ...{ listens: { outcome: 'equal' }, fails: { outcome: 'unasked' } },
      });
      // It runs, released, and is still the one that was restored.
      const knows = `exec python3 -c 'import urllib.request; print(urllib.request.urlopen("http://127.0.0.1:7300/first").read().decode())'`;
      expect(await inside(sovereign, '/run/twin-shop.pid', knows)).toBe(await on(cloud, knows));

      const snapshot = await photographer.store.open(sealed.name, sealed.digest, testContext());
      const compared = await compare(
        comparableSnapshot(snapshot, []),
        comparableMembers(members(sovereign, 'twin-'), testContext()),
        testContext(),
      );
      expect(compared.members.shop!.probes).toMatchObject({ first: { outcome: 'equal' } });
      await end('twin-');
      await until(async () => (await left()) === '');
    },
    PATIENCE_MS,
  );

  labTest(
    'that answers otherwise after a restore makes it drifted, and nothing of the restore stays',
    async () => {
      const { sovereign } = photographer;
      const probes = [httpProbe('where', 'shop', at('/where')), httpProbe('first', 'shop', at('/first'))];
      const sealed = await photograph('drifted', probes);
      expect(await left()).toBe('');
      await on(sovereign, 'echo elsewhere > /etc/where');
      const target = members(sovereign, 'other-');
      await expect(restore(await photographer.request(sealed, target), testContext())).rejects.toMatchObject({
        code: 'restore.drifted',
        message: expect.stringContaining('shop probe/where'),
      });
      expect(await left()).toBe('');

      const drilled = await drill(await photographer.request(sealed, target), testContext());
      expect(drilled).toMatchObject({ verdict: 'drifted', members: { stock: { verdict: 'identical' } } });
      expect(drilled.members.shop).toMatchObject({
        verdict: 'drifted',
        differenceCount: 1,
        differences: [{ object: 'probe/where', member: 'shop' }],
        probes: { where: { outcome: 'different' }, first: { outcome: 'equal' } },
      });
      expect(await left()).toBe('');

      const reported = await restore(
        await photographer.request(sealed, target, { verify: 'report' }),
        testContext(),
      );
      expect(reported.members.shop!.probes.where).toMatchObject({ outcome: 'different' });
      expect(await inside(sovereign, '/run/other-shop.pid', 'cat /etc/where')).toBe('elsewhere');
      await on(sovereign, 'rm /etc/where');
      await end('other-');
      await until(async () => (await left()) === '');

      // What it needs is gone altogether.
      await expect(restore(await photographer.request(sealed, target), testContext())).rejects.toMatchObject({
        code: 'restore.drifted',
        message: expect.stringContaining('shop probe/where no answer'),
      });
      expect(await left()).toBe('');
      await on(sovereign, 'echo here > /etc/where');
    },
    PATIENCE_MS,
  );

  labTest(
    'is gone for whoever comes next where we died in its rehearsal, and where we were interrupted',
    async () => {
      const { store, sovereign } = photographer;
      const sealed = await photograph('died', [httpProbe('first', 'shop', at('/first'))]);
      const target = members(sovereign, 'late-');
      const interrupted = new AbortController();
      const context = testContext();
      let rehearsing = false;
      const progress: Context['progress'] = ({ step, message }) => {
        if (step === 'probe' && message === 'first' && rehearsing) interrupted.abort();
        rehearsing ||= step === 'rehearse';
      };
      await expect(
        restore(await photographer.request(sealed, target), {
          ...{ ...context, signal: interrupted.signal, progress },
        }),
      ).rejects.toMatchObject({ code: 'cancelled' });
      expect(rehearsing).toBe(true);
      expect(await left()).toBe('');

      const snapshot = await store.open(sealed.name, sealed.digest, context);
      const [{ spec, host }] = target as [Member];
      let entry: unknown;
      const options = {
        ...({ restoreId: 'died', overwrite: false, expiry: 'absolute', cutAtMs: Date.now() } as const),
        journal: async (written: unknown) => {
          entry = written;
        },
      };
      const from = snapshot.manifest.members.shop!;
      const held = await processDriver.restore(
        spec as never,
        host,
        from,
        snapshot.blobs('shop'),
        options,
        context,
      );
      await held.rehearse!();
      expect(await left()).toContain('stasis-');
      await processDriver.undo(spec as never, host, entry, context);
      expect(await left()).toBe('');
    },
    PATIENCE_MS,
  );
});

/** Everything that is on a host's command lines for a moment or longer, looked at again and again. */
async function onArguments(host: Host): Promise<{ read(): Promise<string> } & AsyncDisposable> {
  await on(
    host,
    `setsid sh -c 'echo $$ > /run/watch-arguments; while :; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2> /dev/null; sleep 0.005; done' \\
      > /tmp/arguments 2> /dev/null < /dev/null &
     until [ -s /run/watch-arguments ]; do sleep 0.01; done`,
  );
  return {
    read: () => on(host, 'grep -a -o "sesame-[0-9]*" /tmp/arguments || [ -s /tmp/arguments ]'),
    [Symbol.asyncDispose]: async () => {
      await on(host, 'kill -9 "$(cat /run/watch-arguments)"; rm -f /run/watch-arguments /tmp/arguments');
    },
  };
}
