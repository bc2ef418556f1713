import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect } from '@jest/globals';
import { labOrReason } from '../support/lab.ts';
import { on, until } from '../support/process/rig.ts';
import { startService } from '../support/process/servers.ts';
import { testUnless } from '../support/skipped.ts';
import { usedLab } from '../support/used-lab.ts';
import { expectStatus, type Ran, stasis } from './cli/stasis.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);

/** Tells how many there are in memory, and what lies on its host. */
const SHOP = `
import http.server, json
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args): pass
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({'orders': 7, 'banner': open('/etc/banner').read()}).encode())
http.server.HTTPServer(('127.0.0.1', 7300), Handler).serve_forever()
`;

describe('a probe by HTTP on the command line', () => {
  let folder: string;
  const lab = usedLab(here, async () => {
    folder = await mkdtemp(join(tmpdir(), 'stasis-cli-http-'));
    for (const host of [lab.cloud, lab.sovereign]) await on(host, 'echo welcome > /etc/banner');
    await startService(lab.cloud, 'shop', 'root', 'python3', '-c', SHOP);
    await until(async () => (await on(lab.cloud, 'ss -Hltn "sport = 7300"')) !== '');
  });
  afterAll(async () => {
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  const write = (name: string, ...lines: string[]): Promise<void> => {
    const ssh = (host: 'cloud' | 'sovereign'): string =>
      `  ${host}: { ssh: { address: "${lab.lab.hosts[host].address}", user: root, privateKeyFile: "${lab.lab.keyFile}", knownHostsFile: "${lab.lab.knownHostsFile}" } }`;
    const text = ['hosts:', ssh('cloud'), ssh('sovereign'), 'store: { path: ./store }', ...lines];
    return writeFile(join(folder, name), `${text.join('\n')}\n`);
  };
  const run = (...args: string[]): Promise<Ran> => stasis([...args, '--json'], { cwd: folder });

  labTest(
    'is answered at the cut and by what is restored; a mistake is told at its line',
    async () => {
      const question = 'url: "http://127.0.0.1:7300/", headers: { X-Tenant: "7" }';
      const probes = (more: string): string[] => [
        'probes:',
        `  orders: { member: shop, http: { ${question} }, jsonPath: $.orders, expect: "7", required: true }`,
        `  banner: { member: shop, http: { ${question} }, jsonPath: $.banner }`,
        `  broken: { member: shop, http: { ${question}, status: 204 } }`,
        ...(more === '' ? [] : [more]),
      ];
      const member = '  shop: { process: { pidFile: /run/shop.pid, files: [/srv/shop], host: cloud } }';
      await write('app.yaml', 'name: shop', 'maxPauseMs: 15000', 'members:', member, ...probes(''));
      await write(
        'twin.yaml',
        'members:',
        '  shop: { process: { pidFile: /run/twin.pid, host: sovereign } }',
      );

      const wrong = '  wrong: { member: shop, http: { url: "https://shop.example/" } }';
      await write('wrong.yaml', 'name: shop', 'members:', member, ...probes(wrong));
      const refused = await run('plan', '-f', 'wrong.yaml');
      expectStatus(refused, 2);
      expect(refused.stdout).toContain('probe.http-url');
      expect(refused.stdout).toContain('"line":12');

      const captured = await run('capture', '-f', 'app.yaml');
      expectStatus(captured, 0);
      expect(captured.json()).toMatchObject({
        sharp: true,
        probeResults: {
          orders: { outcome: 'answered', message: expect.stringContaining('as expected') },
          banner: { outcome: 'answered' },
          broken: { outcome: 'failed', message: expect.stringContaining('status 200, and not 204') },
        },
      });

      await on(lab.sovereign, 'echo goodbye > /etc/banner');
      const drifted = await run('restore', 'shop', '-f', 'twin.yaml');
      expectStatus(drifted, 1);
      expect(drifted.stdout).toContain('restore.drifted');
      expect(drifted.stdout).toContain('probe/banner');
      expect(await on(lab.sovereign, 'ls /run/netns')).toBe('');

      await on(lab.sovereign, 'echo welcome > /etc/banner');
      const restored = await run('restore', 'shop', '-f', 'twin.yaml');
      expectStatus(restored, 0);
      expect(restored.json()).toMatchObject({
        verdict: 'identical',
        probeResults: {
          orders: { outcome: 'equal', message: expect.stringContaining('as at the cut') },
          banner: { outcome: 'equal' },
          broken: { outcome: 'unasked', message: expect.stringContaining('Nothing to compare with') },
        },
      });
    },
    240_000,
  );
});
