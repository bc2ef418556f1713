import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { capture, repeat, restoreAndCompare, shopServer } from '../../../test/support/postgres-rig.ts';

const MINUTES = 60_000;
const rig = shopServer();
const _shop = () => ({ url: rig.server.url('shop') });

describe('secrets', () => {
  test(
    'the password is in no argument list while it captures and restores, and in nothing that is kept or logged',
    async () => {
      const password = 'pl4nted:p@ss/w?rd';
      await rig.server.query(`CREATE ROLE planted SUPERUSER LOGIN PASSWORD '${password}'`);
      const url = `postgres://planted:${encodeURIComponent(password)}@127.0.0.1:${rig.server.port}/shop`;
      const seen = new Set<string>();
      const watching = repeat(async () => {
        for (const pid of await readdir('/proc').catch(() => []))
          if (/^\d+$/.test(pid)) seen.add(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''));
      }, 5);
      const context = testContext();
      const work = async () => {
        const taken = await capture({ url }, context);
        return {
          taken,
          comparison: await restoreAndCompare({ url: url.replace('/shop', '/planted_copy') }, taken),
        };
      };
      const { taken, comparison } = await work().finally(() => watching.stop());
      expect(comparison.differences).toEqual([]);
      const lines = [...seen];
      expect(lines.some((line) => line.includes('pg_dump'))).toBe(true);
      expect(lines.some((line) => line.includes('pg_restore'))).toBe(true);
      for (const secret of [password, encodeURIComponent(password)]) {
        expect(lines.filter((line) => line.includes(secret))).toEqual([]);
        const kept = JSON.stringify([taken.member, taken.entries, context.lines, context.events]);
        expect(kept).not.toContain(secret);
        for (const content of taken.blobs.contents.values()) expect(content.includes(secret)).toBe(false);
      }
      await rig.server.query('DROP DATABASE planted_copy; ');
      await rig.server.query('DROP ROLE planted');
    },
    2 * MINUTES,
  );
});
