import { describe, expect, test } from '@jest/globals';
import { hasGlobally, lacking, parseGrants } from '../connect/grants.ts';
import type { Row } from '../connect/sql.ts';
import { productOf } from './product.ts';

describe('what a server says that it is', () => {
  test.each([
    ['10.11.19-MariaDB-0+deb12u1-log', 'Debian 12', 'MariaDB'],
    ['5.5.5-10.6.1-MariaDB', '', 'MariaDB'],
    ['8.0.36', 'MySQL Community Server - GPL', 'MySQL'],
    ['8.0.36-28', 'Percona Server (GPL), Release 28', 'MySQL'],
    ['9.7.4-2', '(Debian)', 'MySQL'],
  ])('%s %s is %s', (version, comment, name) => {
    expect(productOf(version, comment).name).toBe(name);
  });

  test.each([
    ['8.0.11-TiDB-v7.5.0', ''],
    ['8.0.30-Vitess', ''],
    ['8.0.33', 'Dolt'],
  ])('%s %s is neither', (version, comment) => {
    expect(() => productOf(version, comment)).toThrow(
      expect.objectContaining({ code: 'mariadb.other-server', at: ['url'] }),
    );
  });

  test('decides what asks for the end of the log', () => {
    const asks = (version: string) => productOf(version, '').epochs.query.split(';')[0];
    expect(['8.0.36', '8.1.0', '8.2.0', '8.4.5', '9.7.4'].map(asks)).toEqual([
      'SHOW MASTER STATUS',
      'SHOW MASTER STATUS',
      'SHOW BINARY LOG STATUS',
      'SHOW BINARY LOG STATUS',
      'SHOW BINARY LOG STATUS',
    ]);
  });
});

describe('an epoch of MySQL', () => {
  const { read, whyNone } = productOf('9.7.4', '').epochs;
  const log: Row[] = [{ File: 'binlog.000001', Position: '157' }];

  test('is proof while no transaction owns its GTID and none is prepared', () => {
    expect(read([log, [{ owned: '', mode: 'ON' }], []])).toEqual({
      position: 'binlog.000001:157',
      unprovable: undefined,
    });
    expect(
      read([log, [{ owned: '8ef9b95c-e9d9-11f1-bbb9-02fc00000001:7#12', mode: 'ON' }], []]).unprovable,
    ).toMatch(/visible/);
    expect(read([log, [{ owned: '', mode: 'ON' }], [{ data: 'x' }]]).unprovable).toMatch(/XA/);
    expect(read([log, [{ owned: '', mode: 'ON_PERMISSIVE' }], []]).unprovable).toMatch(/gtid_mode/);
    // What the server did not tell is no proof.
    expect(read([log, [], []]).unprovable).toBeDefined();
  });

  const right = { log_bin: 'ON', gtid_mode: 'ON', log_replica_updates: 'ON' };
  const all = parseGrants([
    'GRANT SELECT, REPLICATION CLIENT ON *.* TO `a`@`%`',
    'GRANT SHOW_ROUTINE,XA_RECOVER_ADMIN ON *.* TO `a`@`%`',
  ]);

  test.each([
    [{}, undefined],
    [{ log_bin: 'OFF' }, /binary log is off/],
    [{ gtid_mode: 'OFF_PERMISSIVE' }, /gtid_mode is OFF_PERMISSIVE/],
    [{ gtid_mode: 'ON_PERMISSIVE' }, /gtid_mode is ON_PERMISSIVE/],
    [{ log_replica_updates: 'OFF' }, /log_replica_updates/],
    [{ group_replication_group_name: 'a-group' }, /Group Replication/],
  ])('with %j tells why there is none', async (change, says) => {
    const variables = new Map(Object.entries({ ...right, ...change }));
    const why = await whyNone(variables, all, async () => [{ Binlog_Do_DB: '', Binlog_Ignore_DB: '' }]);
    expect(why ?? '').toMatch(says ?? /^$/);
  });

  test('is none where the log leaves databases out, or the login sees no XA transactions', async () => {
    const variables = new Map(Object.entries(right));
    expect(await whyNone(variables, all, async () => [{ Binlog_Ignore_DB: 'shop' }])).toMatch(
      /leaves databases out/,
    );
    expect(await whyNone(variables, [], async () => [{}])).toMatch(/XA_RECOVER_ADMIN/);
  });

  test('rests on grants as MySQL prints them, static and dynamic', () => {
    expect(lacking(all, 'any', ['SELECT', 'TRIGGER'])).toEqual(['TRIGGER']);
    expect(hasGlobally(all, 'XA_RECOVER_ADMIN')).toBe(true);
  });
});
