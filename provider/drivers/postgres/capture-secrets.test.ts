import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { capture, repeat, restoreAndCompare, shopServer } from '../../../test/support/postgres-rig.ts';

const MINUTES = 60_000;
/** A program may come and go between two looks, on a busy machine above all: then it is all done once more. */
const TRIES = 5;
const PROGRAMS = ['pg_dump', 'pg_restore'];
const rig = shopServer();

describe('secrets', () => {
  test(
    'the password is in no argument list while it captures and restores, and in nothing that is kept or logged',
    async () => {
      const password = 'pl4nted:p@ss/w?rd';
      await rig.server.query(`CREATE ROLE planted SUPERUSER LOGIN PASSWORD '${password}'`);
      const url = `postgres://planted:${encodeURIComponent(password)}@127.0.0.1:${rig.server.port}/shop`;
      const seen = new Set<string>();
      // Only those that were started since: a look at all of a machine takes as long as a program lives.
      const before = new Set(await readdir('/proc'));
      const watching = repeat(async () => {
        for (const pid of await readdir('/proc').catch(() => []))
          if (/^\d+$/.test(pid) && !before.has(pid))
            seen.add(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''));
      }, 5);
      const wereSeen = (): boolean =>
        PROGRAMS.every((program) => [...seen].some((line) => line.includes(program)));
      const context = testContext();
      const work = async (): Promise<Awaited<ReturnType<typeof capture>>> => {
        const taken = await capture({ url }, context);
        const { differences } = await restoreAndCompare(
          { url: url.replace('/shop', '/planted_copy') },
          taken,
        );
        expect(differences).toEqual([]);
        await rig.server.query('DROP DATABASE planted_copy');
        return taken;
      };
      const captures: Awaited<ReturnType<typeof capture>>[] = [];
      try {
        do captures.push(await work());
        while (!wereSeen() && captures.length < TRIES);
      } finally {
        await watching.stop();
      }
      expect(wereSeen()).toBe(true);
      const lines = [...seen];
      for (const secret of [password, encodeURIComponent(password)]) {
        expect(lines.filter((line) => line.includes(secret))).toEqual([]);
        const told = captures.map(({ member, entries }) => [member, entries]);
        expect(JSON.stringify([told, context.lines, context.events])).not.toContain(secret);
        for (const content of captures.flatMap(({ blobs }) => [...blobs.contents.values()]))
          expect(content.includes(secret)).toBe(false);
      }
      await rig.server.query('DROP ROLE planted');
    },
    2 * MINUTES,
  );
});
