import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { drill } from '../../provider/coordinator/drill.ts';
import type { Member } from '../../provider/coordinator/member.ts';
import { type RestoreResult, restore } from '../../provider/coordinator/restore.ts';
import type { Context } from '../../provider/core/context.ts';
import type { Host } from '../../provider/core/host.ts';
import type { SealedSnapshot } from '../../provider/core/store.ts';
import { filesDriver } from '../../provider/drivers/files/driver.ts';
import { testContext } from '../support/context.ts';
import { labOrReason } from '../support/lab.ts';
import { httpProbe } from '../support/probes.ts';
import { Photographer } from '../support/process/photographer.ts';
import { on, until } from '../support/process/rig.ts';
import { startService } from '../support/process/servers.ts';
import { testUnless } from '../support/skipped.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 240_000;
/** As a proxy does whose server cannot be reached, it has no answer without the folder, which is a member of its own. */
const SHOP = `
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args): pass
    def do_GET(self):
        try: body, status = open('/srv/catalogue' + self.path).read().encode(), 200
        except OSError: body, status = b'', 503
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(('127.0.0.1', 7300), Handler).serve_forever()
`;

describe('a program that needs a member which a rehearsal does not release', () => {
  let photographer: Photographer;
  let sealed: SealedSnapshot;

  const members = (host: Host): Member[] => [
    photographer.member('shop', host, { pidFile: '/run/shop.pid', files: ['/srv/shop'] }),
    { name: 'data', driver: filesDriver, spec: filesDriver.spec.parse({ path: '/srv/catalogue' }), host },
  ];

  beforeAll(async () => {
    if (here.reason !== undefined) return;
    photographer = await Photographer.start(here);
    const { cloud } = photographer;
    await on(cloud, 'mkdir /srv/catalogue && echo 12 > /srv/catalogue/books && echo 3 > /srv/catalogue/maps');
    await startService(cloud, 'shop', 'root', 'python3', '-c', SHOP);
    await until(async () => (await on(cloud, 'ss -Hltn "sport = 7300" | wc -l')) === '1');
    const at = (path: string): { url: string } => ({ url: `http://127.0.0.1:7300${path}` });
    sealed = await photographer.photographAll('shop', members(cloud), [
      httpProbe('books', 'shop', at('/books'), { timeoutMs: 1_000 }),
      httpProbe('maps', 'shop', at('/maps'), { timeoutMs: 1_000 }),
    ]);
  }, PATIENCE_MS);
  afterAll(() => photographer?.[Symbol.asyncDispose](), PATIENCE_MS);

  const outcomes = ({ members: all }: RestoreResult): Record<string, string> =>
    Object.fromEntries(Object.entries(all.shop!.probes).map(([name, { outcome }]) => [name, outcome]));
  const removeTwin = (): Promise<string> =>
    on(
      photographer.sovereign,
      'kill -9 "$(cat /run/shop.pid)"; rm -rf /run/shop.pid /run/shop.pid.stasis /srv/catalogue /srv/shop',
    );

  labTest(
    'is asked again after the release, and is the same; a drill, which releases nothing, calls it neither the same nor drifted',
    async () => {
      const request = await photographer.request(sealed, members(photographer.sovereign));
      const drilled = await drill(request, testContext());
      expect(drilled.verdict).toBe('identical');
      expect(drilled.members.shop!.probes.books).toEqual({
        ...{ member: 'shop', outcome: 'unasked' },
        message: expect.stringMatching(/cut off from other members, which a release ends: no answer: .*503/),
      });

      const twin = await restore(request, testContext());
      expect(twin.verdict).toBe('identical');
      expect(outcomes(twin)).toEqual({ books: 'equal', maps: 'equal' });
      // Each probe is one more that is equal.
      expect(twin.members.shop!.equal).toBe(drilled.members.shop!.equal + 2);
      await removeTwin();
    },
    PATIENCE_MS,
  );

  labTest(
    'is drifted where it answers otherwise then, and that is a warning, as nothing can be rolled back any more',
    async () => {
      const { sovereign } = photographer;
      const warnings: string[] = [];
      const context = testContext();
      const changing: Context = {
        ...context,
        progress: ({ step, severity, message = '' }) => {
          if (severity === 'warning') warnings.push(message);
          // Somebody changes it once it is there.
          if (step === 'release')
            void on(
              sovereign,
              'until echo 13 2> /dev/null > /srv/catalogue/books; do sleep 0.001; done; rm /srv/catalogue/maps',
            );
        },
      };
      const twin = await restore(await photographer.request(sealed, members(sovereign)), changing);
      expect(twin.verdict).toBe('drifted');
      expect(twin.members.data!.verdict).toBe('identical');
      expect(outcomes(twin)).toEqual({ books: 'different', maps: 'failed' });
      expect(twin.members.shop!.differences.map(({ object }) => object)).toEqual([
        'probe/books',
        'probe/maps',
      ]);
      expect(warnings).toEqual([
        expect.stringContaining('"books" is not answered as at the cut'),
        expect.stringContaining('"maps" is not answered as at the cut: no answer'),
      ]);
      expect(await on(sovereign, 'kill -0 "$(cat /run/shop.pid)" && echo runs')).toBe('runs');
      await removeTwin();
    },
    PATIENCE_MS,
  );

  labTest(
    'is not asked again where egress stays blocked, nor by whoever interrupts it, who has had a restore',
    async () => {
      const { sovereign } = photographer;
      const blocked = await photographer.request(sealed, members(sovereign), { egress: 'blocked' });
      const rehearsal = await restore(blocked, testContext());
      expect(rehearsal.verdict).toBe('identical');
      expect(outcomes(rehearsal)).toEqual({ books: 'unasked', maps: 'unasked' });
      expect(rehearsal.members.shop!.probes.books!.message).toContain('egress: "blocked" keeps it so');
      await removeTwin();

      const interrupted = new AbortController();
      let released = false;
      const context: Context = {
        ...{ ...testContext(), signal: interrupted.signal },
        progress: ({ step }) => {
          if (step === 'probe' && released) interrupted.abort();
          released ||= step === 'release';
        },
      };
      const half = await restore(await photographer.request(sealed, members(sovereign)), context);
      expect(half.members.shop!.probes.books).toMatchObject({
        ...{ outcome: 'unasked', message: expect.stringContaining('interrupted') },
      });
      expect(await on(sovereign, 'cat /srv/catalogue/books && kill -0 "$(cat /run/shop.pid)"')).toBe('12');
      await removeTwin();
    },
    PATIENCE_MS,
  );
});
