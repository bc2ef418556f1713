import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { labOrReason } from '../../../test/support/lab.ts';
import { httpProbe } from '../../../test/support/probes.ts';
import { Photographer } from '../../../test/support/process/photographer.ts';
import { on, until } from '../../../test/support/process/rig.ts';
import { startService } from '../../../test/support/process/servers.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { once } from '../../core/content.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 240_000;

/** Answers by TLS on 7443, and lets in who knows the word. */
const SAFE = `
import http.server, ssl
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args): pass
    def do_GET(self):
        known = self.headers['Authorization'] == 'Bearer sesame'
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(b'gold')
    def do_POST(self):
        text = self.rfile.read(int(self.headers['content-length'])).decode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.upper().encode())
door = http.server.ThreadingHTTPServer(('127.0.0.1', 7443), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('/srv/safe/cert', '/srv/safe/key')
door.socket = context.wrap_socket(door.socket, server_side=True)
door.serve_forever()
`;
const URL = 'https://127.0.0.1:7443/';
const KNOWN = { url: URL, headersFile: '/root/word', caFile: '/root/trusted', serverName: 'safe.example' };

describe('a process that is asked by HTTPS', () => {
  let photographer: Photographer;

  beforeAll(async () => {
    if (here.reason !== undefined) return;
    photographer = await Photographer.start(here);
    const { cloud, sovereign } = photographer;
    const folder = await mkdtemp(join(tmpdir(), 'stasis-safe-'));
    const [key, cert] = [join(folder, 'key'), join(folder, 'cert')];
    await promisify(execFile)('openssl', [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', cert],
      ...['-subj', '/CN=safe.example', '-addext', 'subjectAltName=DNS:safe.example'],
    ]);
    const { signal } = new AbortController();
    await on(cloud, 'mkdir -p /srv/safe');
    await cloud.write('/srv/safe/key', once(await readFile(key)), { signal });
    for (const host of [cloud, sovereign]) {
      await host.write('/root/word', once(Buffer.from('Authorization: Bearer sesame\n')), { signal });
      await host.write('/root/trusted', once(await readFile(cert)), { signal });
    }
    await on(cloud, 'cp /root/trusted /srv/safe/cert');
    await rm(folder, { recursive: true });
    await startService(cloud, 'safe', 'root', 'python3', '-c', SAFE);
    await until(async () => (await on(cloud, 'ss -Hltn "sport = 7443"')) !== '');
  }, PATIENCE_MS);
  afterAll(() => photographer?.[Symbol.asyncDispose](), PATIENCE_MS);

  labTest(
    'answers who trusts its certificate by its name, at the cut and when it is restored; nobody else',
    async () => {
      const { cloud, sovereign } = photographer;
      const member = photographer.member('safe', cloud, { pidFile: '/run/safe.pid', files: ['/srv/safe'] });
      const { caFile: _caFile, ...untrusting } = KNOWN;
      const { serverName: _serverName, ...unnamed } = KNOWN;
      const sealed = await photographer.photographAll(
        'safe',
        [member],
        [
          httpProbe('gold', 'safe', KNOWN, { expect: 'gold' }),
          httpProbe('said', 'safe', { ...KNOWN, method: 'POST', body: 'x'.repeat(50_000) }),
          httpProbe('untrusting', 'safe', untrusting),
          httpProbe('unnamed', 'safe', unnamed),
          httpProbe('no-file', 'safe', { ...KNOWN, caFile: '/root/word' }),
        ],
      );
      const { probes = {} } = sealed.manifest;
      expect(probes.gold).toMatchObject({ tie: 'around', asExpected: true });
      expect(probes.said).toMatchObject({ tie: 'around', answer: { sizeBytes: expect.any(Number) } });
      expect(probes.untrusting?.error?.message).toContain('self-signed certificate');
      expect(probes.unnamed?.error?.message).toContain('127.0.0.1');
      expect(probes['no-file']?.error?.code).toBe('probe.ca-file');
      expect(JSON.stringify(sealed.manifest)).not.toContain('sesame');

      const twin = await photographer.bringBack(sealed, sovereign);
      const restored = twin.result.members.safe!.probes!;
      expect(restored).toMatchObject({ gold: { outcome: 'equal' }, said: { outcome: 'equal' } });
      await twin.end();
    },
    PATIENCE_MS,
  );
});
