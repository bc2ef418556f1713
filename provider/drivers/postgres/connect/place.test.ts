import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { problemsOf } from '../../../core/schema.ts';
import { postgresDriver } from '../driver.ts';
import { postgresSpec } from '../spec.ts';
import { parsePlace } from './place.ts';

describe('the URL', () => {
  test('is taken apart as libpq does', () => {
    expect(
      parsePlace(
        'postgresql://us%40er:p%3Ass%2Fw@Db.Example:6432/na%20me?sslmode=verify-full&connect_timeout=7',
      ),
    ).toMatchObject({
      host: 'db.example',
      port: 6432,
      user: 'us@er',
      password: 'p:ss/w',
      database: 'na me',
      sslMode: 'verify-full',
      connectTimeoutMs: 7_000,
    });
    expect(parsePlace('postgres://me@[::1]')).toMatchObject({
      host: '::1',
      port: 5432,
      database: 'me',
      password: '',
    });
    expect(parsePlace('postgres://me@/db?host=%2Frun%2Fpostgresql')).toMatchObject({
      host: '/run/postgresql',
      database: 'db',
    });
    expect(parsePlace('postgres:///db?host=/run/pg&user=u')).toMatchObject({ host: '/run/pg', user: 'u' });
  });

  test('that is wrong is told without being printed', () => {
    for (const [url, why] of [
      ['mysql://u:s3cret@h/db', /start with postgres/],
      ['postgres://:s3cret@h/db', /no user/],
      ['postgres://u:s3cret@/db', /no host/],
      ['postgres://u:s3cret@a,b/db', /several hosts|parsed/],
      ['postgres://u:s3cret@h:99999/db', /parsed|port/],
      ['postgres://u:s3cret@h/db?sslmode=sure', /sslmode/],
      ['postgres://u:s3cret@h/db?sslmod=require', /unknown parameter/],
      ['postgres://u:s3cret%zz@h/db', /percent/],
    ] as const) {
      const [problem] = problemsOf(postgresSpec, { url });
      expect(problem).toMatchObject({ code: 'postgres.url', at: ['url'] });
      expect(problem!.message).toMatch(why);
      expect(`${problem!.message}${problem!.hint}`).not.toContain('s3cret');
    }
  });

  test('gives an endpoint that has the place in it, and neither user, password nor options', () => {
    expect(postgresDriver.endpoint({ url: 'postgres://u:p@DB.example/shop?sslmode=require' })).toBe(
      'postgres://db.example:5432/shop',
    );
    const word = fc.string({ minLength: 1 }).filter((text) => text.isWellFormed());
    // A path of dots alone is a way through folders in every URL, encoded or not: such a database is named by `databases`.
    const name = word.filter((text) => text !== '.' && text !== '..');
    fc.assert(
      fc.property(word, word, name, (user, password, database) => {
        const [u, p, d] = [user, password, database].map(encodeURIComponent);
        const url = `postgres://${u}:${p}@h:1/${d}`;
        expect(parsePlace(url)).toMatchObject({ user, password, database });
        expect(postgresDriver.endpoint({ url })).toBe(`postgres://h:1/${d}`);
      }),
    );
  });
});
