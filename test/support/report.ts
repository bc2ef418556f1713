import type { Manifest } from '../../provider/core/manifest.ts';
import { makeReport, type ReportSources } from '../../provider/report/model.ts';
import type { Report, ReportOutcome } from '../../provider/report/schema.ts';
import { held, manifestOf, marked, paused } from './manifest.ts';

/** Reports for tests, of manifests that no store has. */

const DIGEST = `sha256:${'3f9a1c2b'.repeat(8)}` as const;

export function reportOf(manifest: Manifest, more: Partial<ReportSources> = {}): Report {
  const { name, generation, cutAt } = manifest;
  const entry = { name, generation, digest: DIGEST, cutAt };
  return makeReport({
    snapshot: { name, generation, digest: DIGEST, manifest },
    store: '/srv/snapshots',
    generations: [{ entry, manifest }],
    pins: [],
    ...more,
  });
}

/** As the demo's shop: a Redis locked for tens of milliseconds around a cut of microseconds. */
export const quickShop = manifestOf(
  {
    carts: {
      driver: 'redis',
      sizeBytes: 1_200_000,
      summary: '20,492 keys',
      ties: [held('locked', 12.1, 41.1), { ...marked(39.6, 40.4, 'e1'), act: 'fork' }],
      outside: [
        {
          code: 'redis.configuration',
          message: 'the configuration (maxmemory-policy noeviction and others)',
        },
        { code: 'redis.users', message: 'the user "default" and its password' },
      ],
    },
    orders: {
      driver: 'postgres',
      sizeBytes: 12_400_000,
      summary: '4 tables',
      ties: [held('still', 36.1, 41), { ...marked(37.9, 38.3, 'e1'), act: 'export' }],
      outside: [{ code: 'postgres.statistics', message: 'planner statistics: gathered anew on restore' }],
    },
    receipts: {
      driver: 'files',
      sizeBytes: 15_300,
      summary: '480 files',
      ties: [held('still', 35.8, 40.9)],
    },
  },
  [paused('carts', 8.2, 45.3)],
);

/** What a restore of it may have found. */
export const drifted: ReportOutcome = {
  kind: 'restore',
  with: null,
  verdict: 'drifted',
  restoreMs: 2600,
  safetyReference: null,
  members: [
    { name: 'carts', verdict: 'equivalent', equal: 20_492, differenceCount: 0, restoreMs: 900 },
    { name: 'orders', verdict: 'drifted', equal: 118, differenceCount: 4, restoreMs: 2400 },
    { name: 'receipts', verdict: 'identical', equal: 480, differenceCount: 0, restoreMs: 300 },
  ],
  differences: [
    {
      member: 'orders',
      object: 'db/shop/setting/timezone',
      kind: 'changed',
      message: 'value: UTC -> CET',
      within: [],
    },
    {
      member: 'orders',
      object: 'db/shop/table/public.lines',
      kind: 'changed',
      message: 'rows: 1204 -> 1203; 1 row changed: id=417; 1 row missing: id=5',
      within: [
        { name: 'id=417', kind: 'changed' },
        { name: 'id=5', kind: 'missing' },
      ],
    },
    {
      member: 'orders',
      object: 'db/shop/table/public.lines/index/lines_pk',
      kind: 'missing',
      message: 'missing',
      within: [],
    },
    {
      member: 'orders',
      object: 'db/shop/table/public.tmp',
      kind: 'extra',
      message: 'not in the snapshot (rows=3)',
      within: [],
    },
  ],
  warmth: [
    {
      member: 'orders',
      known: true,
      hotBytes: 6_710_886,
      warmedBytes: 6_291_456,
      warmMs: 84,
      message:
        "6.4 MB were hot at the cut, 6.0 MB were read back. The target's shared_buffers are too small for all that was hot.",
      samples: [
        {
          ...{ name: 'checkout', timeToWarmMs: null, requests: 812, p99BeforeMs: 4.2, p99FirstMs: 61 },
          ...{ p99LastMs: 9.5, lineBeforeMs: 0.2, lineMs: 0.3 },
          ...{ hitRateBefore: 0.99, hitRateFirst: 0.4, hitRateLast: 0.93 },
          message: 'Not as before within the time that there was.',
        },
      ],
    },
  ],
  lostWork: [
    {
      member: 'orders',
      read: true,
      sinceCutMs: 31_000,
      differenceCount: 2,
      changes: [{ probe: 'paid', change: 1204 }],
      logAtCut: '0/1A2B3C8',
      logNow: '0/1B4D6F0',
      logBytes: 1_188_648,
      logTransactions: 1204,
      message:
        '2 objects changed in the 31 s since the cut: db/shop/table/public.lines (rows: 1204 -> 2408), probe/paid (1 -> 1205). Its log went from 0/1A2B3C8 to 0/1B4D6F0 (1,204 transactions, 1.2 MB).',
    },
    {
      member: 'carts',
      read: false,
      sinceCutMs: 31_000,
      differenceCount: 0,
      changes: [],
      ...{ logAtCut: '', logNow: '', logBytes: 0, logTransactions: 0 },
      message: 'It could not be read: the server does not answer.',
    },
  ],
};
