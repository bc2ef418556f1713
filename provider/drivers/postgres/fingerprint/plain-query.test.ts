import { expect, test } from '@jest/globals';
import { plainQuery } from './plain-query.ts';

test('before 16 a view of one table prints its name at every column, since then nowhere', () => {
  const before =
    'SELECT k.id, k.total AS "Total" FROM app.keys k WHERE ((k.total < 10) AND (k.code <> \'k.b (c)\'));';
  const since =
    'SELECT id, total AS "Total"\n   FROM app.keys k\n  WHERE ((total < 10) AND (code <> \'k.b (c)\'));';
  expect(plainQuery(before)).toBe(plainQuery(since));
  const grouped = 'SELECT events.what, count(*) AS n FROM app.events GROUP BY events.what;';
  expect(plainQuery(grouped)).toBe(plainQuery('SELECT what, count(*) AS n FROM app.events GROUP BY what;'));
});

test('within a query within it, the name stays', () => {
  const before = 'SELECT a.x FROM s.a WHERE (a.x IN ( SELECT b.x FROM s.b WHERE (b.y = a.y)));';
  const since = 'SELECT x FROM s.a WHERE (x IN ( SELECT b.x FROM s.b WHERE (b.y = a.y)));';
  expect(plainQuery(before)).toBe(plainQuery(since));
  const other = 'SELECT x FROM s.a WHERE (x IN ( SELECT b.x FROM s.b WHERE (b.y = b.y)));';
  expect(plainQuery(other)).not.toBe(plainQuery(since));
});

test.each([
  ['SELECT ((n + 1) * 2) AS a FROM t;', 'SELECT (n + (1 * 2)) AS a FROM t;'],
  [
    'SELECT a.id FROM (s.a JOIN s.b ON (true)) WHERE (a.id > b.id);',
    'SELECT a.id FROM (s.a JOIN s.b ON (true)) WHERE (b.id > a.id);',
  ],
  ['SELECT a.x FROM s.a, s.b;', 'SELECT b.x FROM s.a, s.b;'],
  ['SELECT x FROM s.a;', 'SELECT x FROM t.a;'],
  ["SELECT 'a  b' AS x FROM s.a;", "SELECT 'a b' AS x FROM s.a;"],
])('%s is not %s', (one, other) => {
  expect(plainQuery(one)).not.toBe(plainQuery(other));
});
