import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { labOrReason } from '../../../test/support/lab.ts';
import { commandProbe, httpProbe } from '../../../test/support/probes.ts';
import { Photographer } from '../../../test/support/process/photographer.ts';
import { on, until } from '../../../test/support/process/rig.ts';
import { startService } from '../../../test/support/process/servers.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { measureWarmth, releasedMembers } from '../../coordinator/measured-warmth.ts';
import type { Member } from '../../coordinator/member.ts';
import { restore } from '../../coordinator/restore.ts';
import type { Host } from '../../core/host.ts';
import type { Probe } from '../../core/probe.ts';
import type { Sample } from '../../core/sample.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 240_000;
const SHOP = `
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args): pass
    def do_GET(self):
        self.send_response(404 if self.path == '/missing' else 200)
        self.end_headers()
        self.wfile.write(self.path.encode())
http.server.HTTPServer(('127.0.0.1', 7300), Handler).serve_forever()
`;
const at = (path: string): { url: string } => ({ url: `http://127.0.0.1:7300${path}` });

describe('processes', () => {
  let photographer: Photographer;

  beforeAll(async () => {
    if (here.reason !== undefined) return;
    photographer = await Photographer.start(here);
    const { cloud } = photographer;
    await startService(cloud, 'shop', 'root', 'python3', '-c', SHOP);
    await startService(cloud, 'stock', 'root', 'sleep', '100000');
    await until(async () => (await on(cloud, 'ss -Hltn "sport = 7300" | wc -l')) === '1');
  }, PATIENCE_MS);
  afterAll(() => photographer?.[Symbol.asyncDispose](), PATIENCE_MS);

  /** @param original whether the folder of a process's log comes along */
  const members = (host: Host, prefix: string, original: boolean): Member[] =>
    ['shop', 'stock'].map((name) =>
      photographer.member(name, host, {
        pidFile: `${prefix}${name}.pid`,
        ...(original && { files: [`/srv/${name}`] }),
      }),
    );

  labTest(
    'are asked before the cut, and once they are released, how quickly they answer',
    async () => {
      const { cloud, sovereign } = photographer;
      const sample = (name: string, member: string, ...probes: readonly Probe[]): Sample => ({
        ...{ name, member, questions: probes.map(({ question }) => question), durationMs: 1_000 },
      });
      const sealed = await photographer.photographAll(
        'samples',
        members(cloud, '/run/', true),
        [],
        [
          sample('web', 'shop', httpProbe('', '', at('/first')), httpProbe('', '', at('/orders'))),
          sample('none', 'shop', httpProbe('', '', at('/missing'))),
          sample('listens', 'stock', commandProbe('', '', 'ss', '-Hltn', 'sport = 7301')),
        ],
      );
      const { samples = {} } = sealed.manifest;
      expect(samples).toMatchObject({
        web: { member: 'shop', kind: 'http', requests: { count: 2 } },
        none: { error: { code: 'probe.http-status' } },
        listens: { member: 'stock', kind: 'command', requests: { count: 1 } },
      });
      for (const { before } of [samples.web!, samples.listens!]) {
        expect(before!.requests).toBeGreaterThan(2);
        expect(before!.lineMs).toBeGreaterThan(0);
      }
      const target = members(sovereign, '/run/sampled-', false);
      const request = await photographer.request(sealed, target);
      const { releasedNs, verdict } = await restore(request, testContext());
      expect([verdict, releasedNs]).toEqual(['identical', expect.any(Number)]);
      const context = testContext();
      const measured = await measureWarmth(
        request.snapshot,
        {
          ...{ sinceNs: context.clock.nowNs(), withinMs: 3_000 },
          answersOf: releasedMembers(request.snapshot, target, context),
        },
        context,
      );
      for (const { first, requests, error } of [measured.web!, measured.listens!]) {
        expect(error).toBeUndefined();
        expect(first!.p99Ms).toBeGreaterThan(0);
        expect(requests).toBeGreaterThan(2);
      }
      expect(measured.none).toMatchObject({
        requests: 0,
        error: expect.stringMatching(/^Nor before the cut/),
      });
    },
    PATIENCE_MS,
  );
});
