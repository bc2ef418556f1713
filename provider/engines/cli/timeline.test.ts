import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import stringWidth from 'string-width';
import { held, manifestOf, marked, paused, shop, smeared } from '../../../test/support/manifest.ts';
import { renderTimeline } from './timeline.ts';

const DIGEST = `sha256:${'3f9a1c2b'.repeat(8)}` as const;

const quick = shop(
  { orders: [marked(2, 2.4)], sessions: [held('locked', 0.5, 5.4)], receipts: [held('still', 0.1, 6)] },
  [paused('sessions', 0.4, 5.3)],
);

describe('the picture of a cut', () => {
  test('shows marks, heavy pauses and light stillness on one axis around the cut', () => {
    const text = renderTimeline(quick, { width: 100, color: false, digest: DIGEST, copyMs: 6200 });
    expect(text.split('\n')).toEqual([
      'shop                                                                                           sharp',
      '  orders    postgres  marked                ├─•┤                              412 MB  12 tables',
      '  sessions  redis     locked     ┣━━━━━━━━━━━━╋━━━━━━━━━━━━━━━━━━━━━━━┫      88.0 MB  1,204,331 keys',
      '  receipts  files     still   ├───────────────┼───────────────────────────┤  31.0 MB  2,110 files',
      '                              ─┴──────┴───────┼──────┴───────┴──────┴──────',
      '                              -2     -1      cut    +1      +2     +3 ms',
      '  cut at 2026-11-23 06:03:11.002 UTC   paused 4.9 ms   copied 531 MB in 6.2 s',
      '  stored 143 MB, 97.4 MB new',
      '  not in the snapshot: 2 replication slots (orders)',
      '  shop@sha256:3f9a1c2b3f9a1c2b3f9a1c2b3f9a1c2b3f9a1c2b3f9a1c2b3f9a1c2b3f9a1c2b   generation 4',
    ]);
  });

  test('on a narrow screen sets what members hold below the axis', () => {
    const text = renderTimeline(quick, { width: 60, color: false, digest: DIGEST });
    expect(text.split('\n')).toEqual([
      'shop                                                   sharp',
      '  orders    marked              ├•┤',
      '  sessions  locked    ┣━━━━━━━━━━╋━━━━━━━━━━━━━━━━━━┫',
      '  receipts  still   ├────────────┼──────────────────────┤',
      '                    ─┴─────┴─────┼─────┴─────┴─────┴─────',
      '                    -2    -1    cut   +1    +2    +3 ms',
      '  orders    postgres   412 MB  12 tables',
      '  sessions  redis     88.0 MB  1,204,331 keys',
      '  receipts  files     31.0 MB  2,110 files',
      '  cut at 2026-11-23 06:03:11.002 UTC   paused 4.9 ms',
      '  copied 531 MB   stored 143 MB, 97.4 MB new',
      '  not in the snapshot: 2 replication slots (orders)',
      '  shop@sha256:3f9a1c2b3f9a1c2b3f9a1c2b3f9a1c2b3f9a1c2b3f9a1…',
      '  generation 4',
    ]);
  });

  test('in a locale without UTF-8 is drawn in ASCII', () => {
    const text = renderTimeline(quick, { width: 100, color: false, ascii: true });
    expect(text).toMatch(/^[\x20-\x7e\n]*$/);
    expect(text.split('\n').slice(1, 6)).toEqual([
      '  orders    postgres  marked                |-*|                              412 MB  12 tables',
      '  sessions  redis     locked     |============+=======================|      88.0 MB  1,204,331 keys',
      '  receipts  files     still   |---------------+---------------------------|  31.0 MB  2,110 files',
      '                              -+------+-------|------+-------+------+------',
      '                              -2     -1      cut    +1      +2     +3 ms',
    ]);
  });

  test('clips a hold of seconds around a cut of milliseconds, and says how far it reaches', () => {
    const clipped = shop(
      {
        orders: [marked(1202, 1202.3)],
        sessions: [held('locked', 1200.5, 1205.4)],
        receipts: [held('still', 1, 3000)],
      },
      [paused('sessions', 1200.4, 1205.5)],
    );
    expect(renderTimeline(clipped, { width: 100, color: false }).split('\n').slice(1, 6)).toEqual([
      '  orders    postgres  marked                ├•┤                               412 MB  12 tables',
      '  sessions  redis     locked  ┣━━━━━━━━━━━━━━╋━━━━━━━━━━━━━━━━━━━━━━━━━━━━┫  88.0 MB  1,204,331 keys',
      '  receipts  files     still   ◂ -1.2 s ──────┼──────────────────── +1.8 s ▸  31.0 MB  2,110 files',
      '                              ──────┴────────┼────────┴────────┴────────┴──',
      '                                   -1       cut      +1       +2       +3 ms',
    ]);
  });

  test('shows a mark within the stillness that covers it, and that nobody was paused', () => {
    const optimistic = shop({
      orders: [held('still', 2, 12), marked(5, 5.3, 'e1')],
      sessions: [held('still', 3, 11), marked(6, 9, 'e1')],
      receipts: [held('still', 1, 14)],
    });
    expect(renderTimeline(optimistic, { width: 100, color: false }).split('\n')).toEqual([
      'shop                                                                                           sharp',
      '  orders    postgres  still     ├──────────•──────┼────────────────┤          412 MB  12 tables',
      '  sessions  redis     still         ├─────────(───┼─•────)──────┤            88.0 MB  1,204,331 keys',
      '  receipts  files     still  ├────────────────────┼───────────────────────┤  31.0 MB  2,110 files',
      '                             ┴──────┴──────┴──────┼──────┴──────┴──────┴───',
      '                             -6    -4     -2     cut    +2     +4     +6 ms',
      '  cut at 2026-11-23 06:03:11.007 UTC   nobody paused   copied 531 MB   stored 143 MB, 97.4 MB new',
      '  not in the snapshot: 2 replication slots (orders)',
      '  shop:4',
    ]);
  });

  test('shades the blur of what is not sharp, and says why', () => {
    const blurred = shop(
      { orders: [marked(2, 2.3)], sessions: [held('locked', 0.5, 5.4)], receipts: [smeared(10, 6200)] },
      [paused('sessions', 0.4, 5.5)],
    );
    expect(renderTimeline(blurred, { width: 80, color: false }).split('\n')).toEqual([
      'shop                                                                  blur 6.2 s',
      '  orders    marked   •                           ┊',
      '  sessions  locked   ┃                           ┊',
      '  receipts  smeared  ≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈≈',
      '                     ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒',
      '                     -3       -2       -1       cut     +1       +2       +3 s',
      '  orders    postgres   412 MB  12 tables',
      '  sessions  redis     88.0 MB  1,204,331 keys',
      '  receipts  files     31.0 MB  2,110 files',
      '  cut at 2026-11-23 06:03:14.101 UTC   paused 5.1 ms   copied 531 MB',
      '  stored 143 MB, 97.4 MB new',
      '  receipts: smeared: a file changed while it was read',
      '  not in the snapshot: 2 replication slots (orders)',
      '  shop:4',
    ]);
  });

  test('names a member that nothing ties to time', () => {
    const untied = shop({
      orders: [],
      sessions: [held('locked', 0.5, 5.4)],
      receipts: [held('still', 1, 6)],
    });
    const text = renderTimeline(untied, { width: 100, color: false });
    expect(text).toContain('not tied to time');
    expect(text).toContain('orders    postgres  untied');
    expect(text).toContain('orders: nothing ties its captured state to time');
    expect(text.split('\n')[5]).toMatch(/^ +0 +\+1 /);
  });

  test('draws what the certificate proves, not what the manifest claims', () => {
    const boast = shop(
      { orders: [marked(1, 2)], sessions: [marked(300, 301)], receipts: [held('still', 0.5, 400)] },
      [],
      { sharp: true, blurMs: 0 },
    );
    const text = renderTimeline(boast, { width: 100, color: false });
    expect(text.split('\n')[0]).toMatch(/blur 300 ms$/);
    expect(text).toContain('the manifest says sharp, its certificate not sharp');
  });

  test('lists what is outside one under another when it is much', () => {
    const outside = Array.from({ length: 4 }, (_, index) => ({
      code: 'postgres.prepared',
      message: `${index + 2} prepared transactions that nobody has finished yet`,
    }));
    const many = manifestOf({
      orders: { driver: 'postgres', sizeBytes: 1, summary: '1 table', ties: [marked(1, 2)], outside },
    });
    const lines = renderTimeline(many, { width: 80, color: false }).split('\n');
    const at = lines.indexOf('  not in the snapshot:');
    expect(lines.slice(at + 1, at + 5)).toEqual(outside.map(({ message }) => `    ${message} (orders)`));
  });

  test('paints only where colours are asked for, and the same text', () => {
    const painted = renderTimeline(quick, { width: 100, color: true });
    const bare = painted.replaceAll(new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g'), '');
    expect(painted).not.toBe(bare);
    expect(bare).toBe(renderTimeline(quick, { width: 100, color: false }));
  });

  test('lets no name of a member steer the terminal', () => {
    const hostile = manifestOf({
      'a\u001b[2Jb\u202e': { driver: 'files', sizeBytes: 1, summary: 'x\u0007\ny', ties: [marked(1, 2)] },
    });
    const text = renderTimeline(hostile, { width: 100, color: false });
    expect(text).toContain('a\\x1b[2Jb\\u{202e}');
    expect(text).toContain('x\\x07\\ny');
  });
});

describe('whatever the certificate', () => {
  const instant = fc.double({ min: 0, max: 100_000, noNaN: true });
  const span = fc.tuple(instant, instant).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
  const tie = fc.oneof(
    span.map(([from, to]) => held('still', from, to)),
    span.map(([from, to]) => held('locked', from, to)),
    span.map(([from, to]) => marked(from, to)),
    span.map(([from, to]) => smeared(from, to)),
  );
  const member = fc.record({
    driver: fc.constantFrom('postgres', 'redis', 'files'),
    sizeBytes: fc.nat(),
    summary: fc.string({ maxLength: 60 }),
    ties: fc.array(tie, { maxLength: 3 }),
  });
  const members = fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9-]{0,30}$/), member, {
    minKeys: 1,
    maxKeys: 5,
  });

  test('no line is wider than the screen, from 60 columns to 200', () => {
    fc.assert(
      fc.property(members, fc.integer({ min: 60, max: 200 }), fc.boolean(), (given, width, ascii) => {
        const text = renderTimeline(manifestOf(given), { width, color: false, ascii, digest: DIGEST });
        for (const line of text.split('\n')) expect(stringWidth(line)).toBeLessThanOrEqual(width);
      }),
      { numRuns: 200 },
    );
  });

  test('every tie of every member leaves something in its row', () => {
    fc.assert(
      fc.property(members, fc.integer({ min: 60, max: 200 }), (given, width) => {
        const lines = renderTimeline(manifestOf(given), { width, color: false }).split('\n');
        for (const [index, { ties }] of Object.values(given).entries())
          if (ties.length > 0) expect(lines[index + 1]).toMatch(/[├─┤┼│┣━┫╋┃•≈◂▸]/);
      }),
      { numRuns: 100 },
    );
  });

  test('labels of the axis never touch', () => {
    fc.assert(
      fc.property(members, fc.integer({ min: 60, max: 200 }), (given, width) => {
        const count = Object.keys(given).length;
        const labels = renderTimeline(manifestOf(given), { width, color: false }).split('\n')[count + 2]!;
        expect(labels.trim()).toMatch(/^(?:(?:[-+]\d+(?:\.\d+)?|cut|0) +)+(?:ms|s)$/);
      }),
      { numRuns: 100 },
    );
  });
});
