import { describe, expect, test } from '@jest/globals';
import stringWidth from 'string-width';
import { held, marked, paused, shop } from '../../../test/support/manifest.ts';
import { StasisError } from '../../core/errors.ts';
import { renderDoctor } from './doctor.ts';
import { renderGenerations, renderNames, renderShow, renderVerification } from './listing.ts';
import { renderPlan } from './planning.ts';
import { type DifferenceView, renderVerdict, type VerdictView } from './verdict.ts';

const DIGEST = `sha256:${'3f9a1c2b'.repeat(8)}` as const;
const OLDER = `sha256:${'aa9a1c2b'.repeat(8)}` as const;
const PLAIN = { width: 100, color: false };
const CUT_AT = '2026-11-23T06:03:11.002Z';

const manifest = shop(
  { orders: [marked(2, 2.4)], sessions: [held('locked', 0.5, 5.4)], receipts: [held('still', 0.1, 6)] },
  [paused('sessions', 0.4, 5.3)],
);
const snapshot = { name: 'shop', generation: 4, digest: DIGEST, manifest };

describe('a verdict', () => {
  const view: VerdictView = {
    verdict: 'drifted',
    restoreMs: 1432,
    safetyReference: '',
    results: {
      orders: { verdict: 'equivalent', equal: 12, differenceCount: 0, restoreMs: 1200 },
      sessions: { verdict: 'equivalent', equal: 1_204_331, differenceCount: 0, restoreMs: 900 },
      receipts: { verdict: 'drifted', equal: 2108, differenceCount: 2, restoreMs: 400 },
    },
    differences: [
      { member: 'receipts', object: 'file/a/b.txt', kind: 'changed', message: 'mode: 0644 -> 0600' },
      { member: 'receipts', object: 'file/a/c.txt', kind: 'missing', message: 'missing (size=3)' },
    ],
  };

  test('is told for each member, with what differs by name', () => {
    expect(renderVerdict('shop:4', view, PLAIN).split('\n')).toEqual([
      'shop:4                                                                                       drifted',
      '  orders    equivalent         12  objects equal               1.2 s',
      '  sessions  equivalent  1,204,331  objects equal               900 ms',
      '  receipts  drifted         2,108  objects equal  2 different  400 ms',
      '  2 differences',
      '    receipts  changed  file/a/b.txt  mode: 0644 -> 0600',
      '    receipts  missing  file/a/c.txt  missing (size=3)',
      '  restored in 1.4 s',
    ]);
  });

  test('says of each original that was named what it has done since the cut', () => {
    const lostWork = {
      orders: {
        read: true,
        message: '1 object changed in the 31 s since the cut: …',
        changes: { paid: 1204 },
      },
      sessions: { read: false, message: 'It could not be read: no answer', changes: {} },
    };
    const lines = renderVerdict('shop:4', { ...view, lostWork }, PLAIN).split('\n');
    expect(lines.slice(-5)).toEqual([
      '  what the originals have done since the cut',
      '    orders: 1 object changed in the 31 s since the cut: …',
      '      paid: +1,204',
      '    sessions: It could not be read: no answer',
      '  restored in 1.4 s',
    ]);
  });

  test('says of each member whose caches were warmed how much of what was hot is back', () => {
    const warmth = {
      orders: {
        known: true,
        warmMs: 840,
        message: '64.0 MB were hot at the cut, 62.1 MB were read back.',
        samples: {
          checkout: { timeToWarmMs: 12, message: 'As before.' },
          search: { message: 'Not as before.' },
        },
      },
      receipts: { known: false, warmMs: 3, message: 'The snapshot does not know.' },
    };
    const lines = renderVerdict('shop:4', { ...view, warmth }, PLAIN).split('\n');
    expect(lines.slice(-6)).toEqual([
      '  what lay in caches at the cut',
      '    orders: 64.0 MB were hot at the cut, 62.1 MB were read back. (840 ms)',
      '      checkout: As before.',
      '      search: Not as before.',
      '    receipts: The snapshot does not know. (3.0 ms)',
      '  restored in 1.4 s',
    ]);
  });

  test('names the first differences and counts the rest', () => {
    const differences = Array.from(
      { length: 200 },
      (_, index): DifferenceView => ({
        member: 'receipts',
        object: `file/${index}`,
        kind: 'extra',
        message: 'extra',
      }),
    );
    const results = { receipts: { verdict: 'drifted', equal: 1, differenceCount: 4711 } } as const;
    const lines = renderVerdict('shop:4', { verdict: 'drifted', results, differences }, PLAIN).split('\n');
    expect(lines).toHaveLength(2 + 1 + 20 + 1);
    expect(lines[2]).toBe('  4,711 differences');
    expect(lines.at(-1)).toBe('    and 4,691 more');
  });

  test('sets how it differs below where it does not fit beside', () => {
    const message = 'modified: 2026-11-23T06:51:44.878691893Z -> 2026-11-23T06:52:58.123456789Z';
    const differences = [{ member: 'receipts', object: 'file/a/b.txt', kind: 'changed', message } as const];
    const lines = renderVerdict('shop:4', { ...view, differences }, PLAIN).split('\n');
    expect(lines.slice(5, 7)).toEqual(['    receipts  changed  file/a/b.txt', `      ${message}`]);
  });

  test('keeps to the screen, and escapes what a file calls itself', () => {
    const object = `file/${'long/'.repeat(40)}\u001b[31m`;
    const differences = [
      { member: 'receipts', object, kind: 'changed', message: 'x y '.repeat(30) } as const,
    ];
    for (const width of [60, 100, 200]) {
      const text = renderVerdict('shop:4', { ...view, differences }, { width, color: false });
      expect(text).not.toContain('\u001b');
      for (const line of text.split('\n')) expect(stringWidth(line)).toBeLessThanOrEqual(width);
    }
  });

  test('says where what was overwritten is kept', () => {
    const text = renderVerdict('shop:4', { ...view, safetyReference: 'safety-1@sha256:0' }, PLAIN);
    expect(text).toContain('what was overwritten is kept as safety-1@sha256:0');
  });
});

describe('a list', () => {
  test('of names, each with its newest snapshot', () => {
    const names = new Map([
      [
        'shop',
        {
          owner: 'cli',
          pins: [],
          generations: [
            { name: 'shop', generation: 4, digest: DIGEST, cutAt: CUT_AT },
            { name: 'shop', generation: 3, digest: OLDER, cutAt: CUT_AT },
          ],
        },
      ],
      ['bank', { owner: 'terraform:/srv/bank', pins: [], generations: [] }],
    ]);
    expect(renderNames('/srv/snapshots', names, PLAIN).split('\n')).toEqual([
      '/srv/snapshots                                                                               2 names',
      '  shop  2 generations  2026-11-23 06:03:11.002 UTC  owned by cli',
      '  bank  0 generations  none sealed                  owned by terraform:/srv/bank',
    ]);
  });

  test('of the snapshots of a name, with what cannot be read and what is pinned', () => {
    const listed = [
      { entry: { name: 'shop', generation: 4, digest: DIGEST, cutAt: CUT_AT }, snapshot },
      { entry: { name: 'shop', generation: 3, digest: OLDER, cutAt: CUT_AT } },
    ];
    const record = { owner: 'cli', pins: [{ by: 'restore:abc', digest: OLDER }] };
    expect(renderGenerations('shop', record, listed, PLAIN).split('\n')).toEqual([
      'shop                                                                     2 generations, owned by cli',
      '  shop:4  2026-11-23 06:03:11.002 UTC  sharp       531 MB  97.4 MB new  sha256:3f9a1c2b3f9a',
      '  shop:3  2026-11-23 06:03:11.002 UTC  unreadable                       sha256:aa9a1c2baa9a',
      '    pinned by restore:abc',
    ]);
  });
});

describe('one snapshot', () => {
  test('in full has its picture, and below it what each member was', () => {
    const lines = renderShow(snapshot, [{ by: 'user:audit', digest: DIGEST }], PLAIN).split('\n');
    expect(lines[0]).toMatch(/^shop +sharp$/);
    expect(lines.slice(-5)).toEqual([
      '  orders: orders.internal, Thing 1.0, data, 12 objects fingerprinted, restored as equivalent',
      '  sessions: sessions.internal, Thing 1.0, data, 12 objects fingerprinted, restored as equivalent',
      '  receipts: receipts.internal, Thing 1.0, data, 12 objects fingerprinted, restored as equivalent',
      '  made by stasis 0.1.0, format 2',
      '    pinned by user:audit',
    ]);
  });

  test('verified says that it is whole, or all that is wrong', () => {
    const found = { reference: 'shop:4', storedBytes: 143e6, verifyMs: 480, sharp: true, blurMs: 0 };
    expect(renderVerification({ ...found, findings: [] }, { width: 60, color: false }).split('\n')).toEqual([
      'shop:4                                                 whole',
      '  143 MB read and hashed in 480 ms',
      '  its certificate, judged again: sharp',
    ]);
    const findings = [
      { message: 'The blob sha256:ab is damaged.' },
      { message: 'The blob sha256:cd is missing.' },
    ];
    expect(
      renderVerification({ ...found, findings }, { width: 60, color: false })
        .split('\n')
        .slice(0, 3),
    ).toEqual([
      'shop:4                                               damaged',
      '  The blob sha256:ab is damaged.',
      '  The blob sha256:cd is missing.',
    ]);
  });
});

describe('a plan', () => {
  const position = { file: 'app.yaml', line: 4, column: 7 };
  const unreachable = new StasisError(
    'postgres.unreachable',
    'The server at 127.0.0.1:1 refuses connections.',
    {
      hint: 'Start it, or name another one.',
      at: ['members', 'orders', 'postgres', 'url'],
      details: { position },
    },
  );
  const long = new StasisError('cut.long-pause', 'It would pause for longer than is allowed.', {
    severity: 'warning',
    at: ['maxPauseMs'],
  });

  test('that could be applied says what it is expected to take', () => {
    const estimate = {
      sizeBytes: 500e6,
      pauseMs: 8,
      members: { orders: { sizeBytes: 412e6, pauseMs: 0 }, sessions: { sizeBytes: 88e6, pauseMs: 8 } },
    };
    expect(renderPlan({ deed: 'capture shop', estimate, problems: [] }, PLAIN).split('\n')).toEqual([
      'capture shop                                                                                   ready',
      '  orders     about 412 MB  no pause',
      '  sessions  about 88.0 MB  about 8.0 ms of pause',
      '  all        about 500 MB  about 8.0 ms of pause',
    ]);
  });

  test('that could not has every problem at its line', () => {
    expect(renderPlan({ deed: 'capture shop', problems: [unreachable, long] }, PLAIN).split('\n')).toEqual([
      'capture shop                                                                                 1 error',
      'error: The server at 127.0.0.1:1 refuses connections.  [postgres.unreachable]',
      '  at app.yaml:4:7  members.orders.postgres.url',
      '  hint: Start it, or name another one.',
      'warning: It would pause for longer than is allowed.  [cut.long-pause]',
      '  at maxPauseMs',
    ]);
  });
});

describe('a problem', () => {
  test('of several lines keeps them, and nothing in it steers the terminal', () => {
    const problem = new StasisError('postgres.load-failed', 'It failed:\n\terror: a\u001b[2J\nDETAIL: b');
    expect(
      renderPlan({ deed: 'x', problems: [problem] }, PLAIN)
        .split('\n')
        .slice(1),
    ).toEqual(['error: It failed:  [postgres.load-failed]', '  error: a\\x1b[2J', '  DETAIL: b']);
  });
});

describe('the doctor', () => {
  test('says by driver what is there, and what is missing', () => {
    const text = renderDoctor(
      {
        version: '0.1.0',
        drivers: [
          {
            name: 'postgres',
            summary: 'x',
            layers: ['data'],
            found: [{ what: 'pg_dump 15.18', where: '/usr/lib/postgresql/15/bin' }],
            problems: [],
          },
          {
            name: 'redis',
            summary: 'x',
            layers: ['data'],
            found: [],
            problems: [new StasisError('redis.missing', 'Something is missing.', { hint: 'Get it.' })],
          },
        ],
        hosts: [
          {
            name: 'cloud',
            drivers: [{ name: 'files', summary: 'x', layers: ['data'], found: [], problems: [] }],
            problems: [],
          },
          {
            name: 'far',
            drivers: [],
            problems: [new StasisError('host.unreachable', 'It cannot be reached.', { hint: 'Start it.' })],
          },
        ],
        machine: [{ what: 'Node 24.21.0', where: '/usr/bin/node' }],
        engines: [],
        store: { location: '/srv/snapshots', problems: [] },
      },
      PLAIN,
    );
    expect(text.split('\n')).toEqual([
      'stasis 0.1.0',
      '  postgres (data)',
      '    pg_dump 15.18  /usr/lib/postgresql/15/bin',
      '  redis (data)  not usable',
      '    error: Something is missing.  [redis.missing]',
      '      hint: Get it.',
      '  files on cloud (data)',
      '    needs nothing from the machine',
      '  on far  not usable',
      '    error: It cannot be reached.  [host.unreachable]',
      '      hint: Start it.',
      '  engines',
      '    neither terraform nor tofu is on PATH',
      '  store',
      '    /srv/snapshots',
      '  machine',
      '    Node 24.21.0  /usr/bin/node',
    ]);
  });
});
