import { describe, expect, test } from '@jest/globals';
import { held, marked, shop, smeared } from '../../test/support/manifest.ts';
import { drifted, quickShop, reportOf } from '../../test/support/report.ts';
import { formatOf, renderReport } from './formats.ts';
import { REPORT_SCHEMA } from './schema.ts';
import { differenceTree } from './tree.ts';
import { duration, fromCut } from './words.ts';

describe('the facts of a report', () => {
  test('follow the published schema, whatever the certificate', () => {
    for (const manifest of [
      quickShop,
      shop({ orders: [], sessions: [marked(1, 2)], receipts: [smeared(1, 2)] }),
      shop({ orders: [held('still', 5, 1)], sessions: [marked(1, 2)], receipts: [smeared(1, 2)] }),
    ]) {
      const report = reportOf(manifest, { outcome: drifted });
      expect(REPORT_SCHEMA.parse(report)).toEqual(report);
      expect(JSON.parse(renderReport(report, 'json'))).toEqual(JSON.parse(JSON.stringify(report)));
    }
  });

  test('are judged anew: a manifest that claims to be sharp is contradicted', () => {
    const report = reportOf(
      shop(
        { orders: [marked(1, 2)], sessions: [marked(300, 301)], receipts: [held('still', 0.5, 400)] },
        [],
        {
          ...{ sharp: true, blurMs: 0 },
        },
      ),
    );
    expect(report.judgement).toMatchObject({ sharp: false, blurMs: 300, blur: { fromNs: 1e6, toNs: 301e6 } });
    expect(report.judgement.contradictions.map(({ message }) => message)).toContain(
      'The manifest says sharp, its certificate proves not sharp.',
    );
    for (const format of ['html', 'markdown'] as const)
      expect(renderReport(report, format)).toContain('This snapshot claims what its own proof does not show');
  });

  test('name the tie whose evidence does not stand', () => {
    const broken = { ...held('locked', 1, 5), captured: 'another' };
    const report = reportOf(
      shop({ orders: [broken], sessions: [marked(1, 2)], receipts: [held('still', 1, 4)] }),
    );
    const [orders] = report.members;
    expect(orders!.ties[0]!.fault).toBe('what was captured is of another state than the one held');
    expect(renderReport(report, 'html')).toContain(
      'Left out of the judgement: what was captured is of another state',
    );
  });

  test('have a member that only the certificate knows', () => {
    const manifest = shop({
      orders: [marked(1, 2)],
      sessions: [held('still', 1, 3)],
      receipts: [held('still', 1, 3)],
    });
    const { receipts: _receipts, ...members } = manifest.members;
    const report = reportOf({ ...manifest, members });
    expect(report.members.find(({ name }) => name === 'receipts')).toMatchObject({ captured: null });
    expect(renderReport(report, 'html')).toContain(
      'The certificate ties a member of this name; the snapshot has none.',
    );
  });

  test('say nothing of what has no mark, and which marks a hold covers', () => {
    const [carts, orders, receipts] = reportOf(quickShop).members;
    expect(carts!.ties.map((tie) => tie.tie === 'mark' && tie.covered)).toEqual([false, true]);
    expect(orders!.pauses).toEqual([]);
    expect(receipts!.ties).toHaveLength(1);
  });
});

test('a tie that the last level does not reach is named at the edge beyond which it lies', () => {
  const page = renderReport(
    reportOf(
      shop({
        orders: [held('still', 100, 101)],
        sessions: [held('locked', 1, 400), marked(350, 360, 'e1')],
        receipts: [held('still', 99, 102)],
      }),
    ),
    'html',
  );
  expect(page).toContain('marked +250 ms ▸</text>');
});

describe('differences as a tree', () => {
  test('are gathered by what they lie in, and steps with nothing to choose are one', () => {
    const [orders] = differenceTree(drifted.differences);
    expect(orders).toMatchObject({ label: 'orders', count: 4 });
    expect(orders!.children.map(({ label, count }) => [label, count])).toEqual([['db/shop', 4]]);
    const [shopNode] = orders!.children;
    expect(shopNode!.children.map(({ label, count }) => [label, count])).toEqual([
      ['setting/timezone', 1],
      ['table', 3],
    ]);
    const [lines, tmp] = shopNode!.children[1]!.children;
    expect(lines).toMatchObject({ label: 'public.lines', count: 2 });
    expect(lines!.children.map(({ label }) => label)).toEqual(['index/lines_pk']);
    expect(tmp!.differences.map(({ kind }) => kind)).toEqual(['extra']);
  });

  test('of one object have its member all the same', () => {
    const one = { member: 'a', object: 'b', kind: 'missing' as const, message: 'missing', within: [] };
    expect(differenceTree([one])).toMatchObject([
      { label: 'a', count: 1, children: [{ label: 'b', differences: [one] }] },
    ]);
  });
});

test('rows that differ stand below their table', () => {
  const page = renderReport(reportOf(quickShop, { outcome: drifted }), 'html');
  const [, table] = page.split('<code>public.lines</code>');
  const [below] = table!.split('</details>');
  expect(below).toMatch(/<code>id=417<\/code> <em>changed<\/em>[\s\S]*<code>id=5<\/code> <em>missing<\/em>/);
});

describe('words', () => {
  test('durations have three digits and the unit that suits', () => {
    expect([0, 840, 999.9, 12_400, 999_960, 29_100_000, 6_200_000_000, -1500].map(duration)).toEqual([
      ...['0', '840 ns', '1.00 µs', '12.4 µs', '1.00 ms', '29.1 ms', '6.20 s', '−1.50 µs'],
    ]);
  });

  test('times are told from the cut', () => {
    expect([fromCut(5e6, 7e6), fromCut(7e6, 7e6), fromCut(9e6, 7e6)]).toEqual(['−2.00 ms', '0', '+2.00 ms']);
  });

  test("a file's name asks for a form", () => {
    expect(['a.html', 'a.b.json', 'x/A.MD', 'a', 'a.constructor'].map(formatOf)).toEqual([
      ...['html', 'json', 'markdown', undefined, undefined],
    ]);
  });
});
