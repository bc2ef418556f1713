import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { held, manifestOf, marked, paused, shop, smeared } from '../../test/support/manifest.ts';
import { quickShop, reportOf } from '../../test/support/report.ts';
import { levelsOf, place, shareOf, ticksOf } from './timeline.ts';

const MS = 1_000_000;

describe('the levels of a picture', () => {
  test('are one where everything is seen at once', () => {
    const report = reportOf(
      shop({ orders: [marked(2, 2.4)], sessions: [held('still', 1, 3)], receipts: [held('still', 1, 3)] }),
    );
    expect(levelsOf(report)).toHaveLength(1);
  });

  test('magnify what was held at once for microseconds within a pause of milliseconds', () => {
    const report = reportOf(
      shop(
        {
          orders: [held('still', 20, 20.04), marked(20.01, 20.02, 'e1')],
          sessions: [held('locked', 1, 41)],
          receipts: [held('still', 5, 40)],
        },
        [paused('sessions', 0, 42)],
      ),
    );
    const levels = levelsOf(report);
    expect(levels.length).toBeGreaterThan(1);
    const last = levels.at(-1)!;
    const heldAtOnce = place(last, report.judgement.sharedHold!)!;
    expect(heldAtOnce.to - heldAtOnce.from).toBeGreaterThan(0.25);
    expect(heldAtOnce).toMatchObject({ cutOffBefore: false, cutOffAfter: false });
  });

  test('of seconds around a cut of microseconds have steps in between', () => {
    const report = reportOf(
      shop({
        orders: [held('still', 5000, 5000.02)],
        sessions: [held('frozen', 4990, 5040)],
        receipts: [held('still', 1, 9000)],
      }),
    );
    const zooms = levelsOf(report).map(({ zoom }) => zoom);
    expect(zooms.length).toBeGreaterThan(2);
    for (const [index, zoom] of zooms.entries())
      if (index > 0) expect(zoom / zooms[index - 1]!).toBeLessThan(100);
  });

  test('are one, without a cut, where a member is not tied', () => {
    const report = reportOf(
      shop({ orders: [], sessions: [held('still', 1, 3)], receipts: [held('still', 1, 3)] }),
    );
    expect(report.judgement.cutNs).toBeNull();
    expect(levelsOf(report)).toHaveLength(1);
  });

  test('of nothing at all still have an extent', () => {
    const [level] = levelsOf(reportOf(manifestOf({})));
    expect(level!.toNs).toBeGreaterThan(level!.fromNs);
  });

  const instant = fc.double({ min: 0, max: 1e6, noNaN: true });
  const span = fc.tuple(instant, instant).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
  const tie = fc.oneof(
    span.map(([from, to]) => held('still', from, to)),
    span.map(([from, to]) => held('locked', from, to)),
    span.map(([from, to]) => marked(from, to)),
    span.map(([from, to]) => smeared(from, to)),
  );
  const members = fc.dictionary(
    fc.stringMatching(/^[a-z]{1,8}$/),
    fc.record({
      driver: fc.constant('files'),
      sizeBytes: fc.nat(),
      summary: fc.string(),
      ties: fc.array(tie, { maxLength: 4 }),
    }),
    { minKeys: 1, maxKeys: 5 },
  );

  test('lie within one another, with the cut at one place, and the first shows everything', () => {
    fc.assert(
      fc.property(members, (given) => {
        const report = reportOf(manifestOf(given));
        const levels = levelsOf(report);
        const { cutNs } = report.judgement;
        for (const { ties } of report.members)
          for (const one of ties) {
            const [from, to] =
              one.tie === 'hold'
                ? [one.heldFromNs, one.heldToNs]
                : one.tie === 'mark'
                  ? [one.sentNs, one.acknowledgedNs]
                  : [one.fromNs, one.toNs];
            expect(place(levels[0]!, { fromNs: from, toNs: to })).toMatchObject({
              cutOffBefore: false,
              cutOffAfter: false,
            });
          }
        for (const [index, level] of levels.entries()) {
          if (cutNs !== null) expect(shareOf(level, cutNs)).toBeCloseTo(shareOf(levels[0]!, cutNs), 6);
          if (index === 0) continue;
          expect(level.toNs - level.fromNs).toBeLessThan(levels[index - 1]!.toNs - levels[index - 1]!.fromNs);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('what lies in a window', () => {
  const window = { fromNs: 10 * MS, toNs: 20 * MS };

  test('is placed by shares of it, and cut off at its edges', () => {
    expect(place(window, { fromNs: 12 * MS, toNs: 15 * MS })).toEqual({
      ...{ from: 0.2, to: 0.5 },
      ...{ cutOffBefore: false, cutOffAfter: false },
    });
    expect(place(window, { fromNs: 0, toNs: 30 * MS })).toEqual({
      ...{ from: 0, to: 1 },
      ...{ cutOffBefore: true, cutOffAfter: true },
    });
    expect(place(window, { fromNs: 21 * MS, toNs: 30 * MS })).toBeUndefined();
  });

  test('has ticks at round distances from the cut, one of them at it', () => {
    const ticks = ticksOf(window, 13 * MS, 5);
    expect(ticks.map(({ ns }) => ns / MS)).toEqual([-2, 0, 2, 4, 6]);
    expect(ticks.map(({ at }) => Number(at.toFixed(6)))).toEqual([0.1, 0.3, 0.5, 0.7, 0.9]);
  });

  test('never has more ticks than there is room for', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1, max: 1e12, noNaN: true }),
        fc.integer({ min: 2, max: 40 }),
        (lengthNs, most) => {
          expect(ticksOf({ fromNs: 0, toNs: lengthNs }, lengthNs / 3, most).length).toBeLessThanOrEqual(
            most + 1,
          );
        },
      ),
    );
  });
});

test("the demo's shop has two levels: its pause, and what was held at once", () => {
  expect(levelsOf(reportOf(quickShop))).toHaveLength(2);
});
