import { describe, expect, test } from '@jest/globals';
import { StasisError } from '../../../core/errors.ts';
import { lacking, parseGrants } from './grants.ts';
import { endpointOf, parsePlace } from './place.ts';

describe('a URL of MariaDB', () => {
  test('is taken apart, and its endpoint has neither user nor password nor options', () => {
    const place = parsePlace(
      'mysql://us%40er:p%3Aw@DB.example/sh%2Fop?ssl-mode=VERIFY_IDENTITY&ssl-ca=/ca.pem&connect-timeout=2',
    );
    expect(place).toEqual({
      ...{ host: 'db.example', port: 3306, user: 'us@er', password: 'p:w', database: 'sh/op' },
      ...{
        sslMode: 'verify_identity',
        sslCa: '/ca.pem',
        sslCert: undefined,
        sslKey: undefined,
        connectTimeoutMs: 2_000,
      },
    });
    expect(endpointOf(place)).toBe('mariadb://db.example:3306/sh%2Fop');
    expect(endpointOf(parsePlace('mariadb://u@[::1]:33/'))).toBe('mariadb://[::1]:33/');
    expect(parsePlace('mariadb://u@h/d').sslMode).toBe('preferred');
    expect(parsePlace('mariadb://u@h/d?ssl-ca=/ca.pem').sslMode).toBe('verify_ca');
  });

  test.each([
    'postgres://u:secret@h/d',
    'mariadb://:secret@h/d',
    'mariadb://u:secret@h:0/d',
    'mariadb://u:sec%ret@h/d',
    'mariadb://u:secret@h/d?ssl-mode=maybe',
    'mariadb://u:secret@h/d?sslmode=require',
    'mariadb://u:secret@h/d?connect-timeout=soon',
    'mariadb://u:secret@10.0.0.1/d?ssl-mode=verify_identity&ssl-ca=/ca.pem',
    'mariadb://u:secret@[::1]/d?ssl-mode=verify-identity',
  ])('that is wrong is refused without telling it: %s', (url) => {
    const thrown = ((): unknown => {
      try {
        return parsePlace(url);
      } catch (error) {
        return error;
      }
    })();
    expect(thrown).toBeInstanceOf(StasisError);
    expect(thrown).toMatchObject({ code: 'mariadb.url', at: ['url'] });
    expect(String(thrown)).not.toContain('secret');
  });
});

describe('what SHOW GRANTS prints', () => {
  const grants = parseGrants([
    "GRANT USAGE ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD '*00'",
    'GRANT SELECT, SHOW VIEW ON `my\\_shop`.* TO `a`@`%`',
    'GRANT ALL PRIVILEGES ON `stasis\\_%`.* TO `a`@`%` WITH GRANT OPTION',
    'GRANT TRIGGER ON `m%`.* TO `a`@`%`',
    'GRANT SELECT ON `other`.`table` TO `a`@`%`',
  ]);

  test('holds for the databases that its patterns mean, and not for single tables', () => {
    expect(lacking(grants, 'my_shop', ['SELECT', 'TRIGGER', 'EVENT'])).toEqual(['EVENT']);
    expect(lacking(grants, 'myxshop', ['SELECT'])).toEqual(['SELECT']);
    expect(lacking(grants, 'stasis_new_1_0', ['DROP'])).toEqual([]);
    expect(lacking(grants, 'stasisx', ['DROP'])).toEqual(['DROP']);
    expect(lacking(grants, 'other', ['SELECT'])).toEqual(['SELECT']);
    expect(lacking(parseGrants(['GRANT ALL PRIVILEGES ON *.* TO `r`@`h`']), 'any', ['SELECT'])).toEqual([]);
  });
});
