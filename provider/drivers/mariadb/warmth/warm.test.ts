import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { capture, restore, type Taken } from '../../../../test/support/mariadb-rig.ts';
import { findMariadb, startMariadb } from '../../../../test/support/mariadb-server.ts';
import { startMysql, whyNoMysql } from '../../../../test/support/mysql-server.ts';
import { makeNumbers } from '../../../../test/support/numbers.ts';
import { describeUnless } from '../../../../test/support/skipped.ts';
import type { SqlServer, SqlServerOptions } from '../../../../test/support/sql-server.ts';
import type { Warmth } from '../../../core/warmth.ts';
import type { MariadbContent } from '../content.ts';

jest.setTimeout(300_000);

const ROWS = 60_000;
const HOT = 'id BETWEEN 20000 AND 26000';
/** The table is far larger than this, so that loading it leaves no place in it warm by itself. */
const POOL = {
  'innodb-buffer-pool-size': '8M',
  'loose-innodb-buffer-pool-chunk-size': '1M',
  // A server keeps so many pages free: by default three times as many as there are here.
  'innodb-lru-scan-depth': 100,
  'innodb-buffer-pool-dump-at-shutdown': 'OFF',
  'innodb-buffer-pool-load-at-startup': 'OFF',
} as const;

const PRODUCTS: readonly [string, string | undefined, (options?: SqlServerOptions) => Promise<SqlServer>][] =
  [
    ['MariaDB', findMariadb() === undefined ? 'no mariadbd on this machine' : undefined, startMariadb],
    ['MySQL', whyNoMysql(), startMysql],
  ];

async function fill(server: SqlServer): Promise<void> {
  await makeNumbers(server);
  await server.query('CREATE DATABASE shop; CREATE DATABASE other');
  const rows = `SELECT a.n + 10000 * b.n + 1, REPEAT(HEX(a.n * 7919 + b.n), 60), a.n % 100
    FROM numbers_to.n a JOIN numbers_to.d d ON d.d = 0 JOIN numbers_to.n b ON b.n < ${ROWS / 10_000} ORDER BY 1`;
  for (const table of ['shop.`or``ders ü`', 'other.filler'])
    await server.query(
      `CREATE TABLE ${table} (id int AUTO_INCREMENT PRIMARY KEY, note varchar(900) NOT NULL, state int NOT NULL, KEY by_state (state));
       INSERT INTO ${table} ${rows}; ANALYZE TABLE ${table}`,
    );
  await server.query('CREATE TABLE shop.scattered (id varchar(40) PRIMARY KEY, note varchar(900) NOT NULL)');
  await server.query(
    `INSERT INTO shop.scattered SELECT CONCAT(HEX(id * 7919 % 65521), '-', id), note FROM other.filler; ANALYZE TABLE shop.scattered`,
  );
  // A page that is still to be written cannot give its place to another: on a busy machine they stayed.
  await server.query(
    'FLUSH TABLES shop.`or``ders ü`, shop.scattered, other.filler FOR EXPORT; UNLOCK TABLES',
  );
  // What is read takes the place of all that was there, and what is read again stays, however quickly that is.
  await server.query('SET GLOBAL innodb_old_blocks_time = 0');
  for (let times = 0; times < 2; times += 1) await server.query('SELECT SUM(LENGTH(note)) FROM other.filler');
  for (let times = 0; times < 3; times += 1) {
    await server.query("SELECT SUM(LENGTH(note)) FROM shop.scattered WHERE id LIKE 'A%'");
    await server.query(readHot('shop'));
    await server.query('SELECT COUNT(*) FROM shop.`or``ders ü` FORCE INDEX (by_state)');
  }
  await server.query('SET GLOBAL innodb_old_blocks_time = 1000');
}

function readHot(database: string): string {
  return `SELECT SUM(LENGTH(note)) AS n FROM ${database}.\`or\`\`ders ü\` WHERE ${HOT}`;
}

/** How many pages the server had to read from its files for the hot orders. */
async function readsForHot(server: SqlServer, database: string): Promise<number> {
  const reads = async (): Promise<number> => {
    const rows = await server.query(
      "SHOW GLOBAL STATUS WHERE Variable_name IN ('Innodb_buffer_pool_reads', 'Innodb_buffer_pool_read_ahead')",
    );
    return rows.reduce((sum, { Value }) => sum + Number(Value), 0);
  };
  const before = await reads();
  await server.query(readHot(database));
  return (await reads()) - before;
}

for (const [name, whyNot, start] of PRODUCTS)
  describeUnless(whyNot)(`what was hot in a ${name}`, () => {
    let source: SqlServer;
    let taken: Taken;
    beforeAll(async () => {
      source = await start({ settings: { ...POOL, 'innodb-buffer-pool-size': '24M' } });
      await fill(source);
      taken = await capture({ url: source.url('shop') });
    });
    afterAll(() => source?.stop());

    const hotBytes = (): number => (taken.member.content as MariadbContent).databases[0]!.hot!.hotBytes;

    async function restored(target: SqlServer, warm: boolean): Promise<Warmth | undefined> {
      await using held = await restore({ url: target.url('twin') }, taken);
      const warmed = warm ? await held.warm!() : undefined;
      await held.release();
      return warmed;
    }

    test('is known by index', () => {
      expect(taken.member.coverage.outside.map(({ code }) => code)).not.toContain('mariadb.buffers');
      expect(hotBytes()).toBeGreaterThan(2_000_000);
      expect(hotBytes()).toBeLessThan(24_000_000);
    });

    test('is in the pool before the release; without being asked for it is cold', async () => {
      await using warm = await start({ settings: POOL });
      await using cold = await start({ settings: POOL });
      const warmth = await restored(warm, true);
      // At once: what the server does of itself in a pool so small gives up pages, too.
      const warmReads = await readsForHot(warm, 'twin');
      expect(await restored(cold, false)).toBeUndefined();
      const coldReads = await readsForHot(cold, 'twin');
      expect(coldReads).toBeGreaterThan(50);
      expect(warmReads).toBeLessThan(coldReads / 10);
      expect(warmth!.hotBytes).toBe(hotBytes());
      expect(warmth!.warmedBytes).toBeGreaterThan(2_000_000);
      expect(warmth!.warmedBytes).toBeLessThan(hotBytes());
      // The rows of a page are known only where keys count up.
      expect(warmth!.reason).toMatch(/lay in indexes of which less than half was hot/);
    });

    test('that does not fit is not read, and that is said', async () => {
      await using target = await start({ settings: { ...POOL, 'innodb-buffer-pool-size': '6M' } });
      const warmth = await restored(target, true);
      expect(warmth!.reason).toContain('innodb_buffer_pool_size');
      expect(warmth!.warmedBytes).toBeLessThan(0.9 * 6 * 1024 ** 2);
      expect(warmth!.warmedBytes).toBeGreaterThan(0);
    });

    test('is not known to a login that may not look: the coverage says so, and so does a restore', async () => {
      const privileges = 'SELECT, SHOW VIEW, TRIGGER, EVENT';
      const routines = name === 'MySQL' ? "; GRANT SHOW_ROUTINE ON *.* TO reader@'%'" : '';
      await source.query(
        `CREATE USER reader@'%' IDENTIFIED BY 'reader-pw'; GRANT ${privileges} ON shop.* TO reader@'%'${routines}`,
      );
      const other = await capture({ url: source.url('shop', 'reader', 'reader-pw') });
      expect(other.member.coverage.outside).toContainEqual({
        code: 'mariadb.buffers',
        message: expect.stringContaining('PROCESS'),
      });
      await using held = await restore({ url: source.url('twin') }, other);
      expect(await held.warm!()).toEqual({
        hotBytes: undefined,
        warmedBytes: 0,
        reason: expect.stringContaining('mariadb.buffers'),
      });
    });
  });
