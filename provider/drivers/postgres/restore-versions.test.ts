import { describe, expect, test } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { capture, everyType, host, restoreAndCompare } from '../../../test/support/postgres-rig.ts';
import { startPostgres } from '../../../test/support/postgres-server.ts';
import { obtainVersions } from '../../../test/support/postgres-versions.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { postgresDriver } from './driver.ts';

const MINUTES = 60_000;
const EQUAL = { differenceCount: 0, differences: [] };

const { tested, untested } = await obtainVersions();
const newest = tested.at(-1);
const older = tested.find(({ major }) => major < 15);

describe('all versions', () => {
  for (const { major, reason } of untested)
    testUnless(reason)(`from ${major} into itself and the newest: equal`, async () => {});

  for (const version of tested)
    test(
      `from ${version.major} into itself and the newest: equal`,
      async () => {
        const { major, binDir, clientPath } = version;
        await using from = await startPostgres({ binDir });
        await everyType(from, 'shop');
        const seen = await capture({ url: from.url('shop'), clientPath });
        expect(seen.member.system.version).toMatch(new RegExp(`^${major}\\.`));
        for (const into of new Set([version, newest!])) {
          await using to = await startPostgres({ binDir: into.binDir });
          const comparison = await restoreAndCompare(
            { url: to.url('twin'), clientPath: newest!.clientPath },
            seen,
          );
          expect({ from: major, into: into.major, ...comparison }).toMatchObject(EQUAL);
        }
      },
      3 * MINUTES,
    );

  testUnless(older ? undefined : 'no version older than 15 is on this machine')(
    'an older target is refused',
    async () => {
      await using from = await startPostgres();
      await from.query('CREATE TABLE public.t AS SELECT 1 AS a');
      await using to = await startPostgres({ binDir: older!.binDir });
      const { member } = await capture({ url: from.url() });
      const plan = await postgresDriver.planRestore({ url: to.url('twin') }, host, member, testContext());
      expect(plan.problems.map(({ code }) => code)).toContain('postgres.target-older');
    },
    MINUTES,
  );
});
