import type { Example } from '../core/resource.ts';

export const SNAPSHOT_EXAMPLES: readonly Example[] = [
  {
    title: 'A shop: orders, sessions and receipts, at one instant',
    inputs: {
      name: 'shop',
      members: {
        orders: { postgres: { url: 'postgres://app:secret@db.internal:5432/orders' } },
        sessions: { redis: { url: 'redis://:secret@cache.internal:6379' } },
        receipts: { files: { path: '/srv/shop/receipts' } },
      },
      store: { path: './snapshots' },
      triggers: { release: '2026.11' },
    },
  },
  {
    title: 'With questions of your own, asked at the cut and again of what is restored',
    inputs: {
      name: 'shop',
      members: {
        orders: { postgres: { url: 'postgres://app:secret@db.internal:5432/orders' } },
        sessions: { redis: { url: 'redis://:secret@cache.internal:6379' } },
        receipts: { files: { path: '/srv/shop/receipts' } },
      },
      probes: {
        balanced: {
          member: 'orders',
          sql: 'SELECT sum(debit) = sum(credit) FROM ledger',
          expect: 't',
          required: true,
        },
        queue: { member: 'sessions', redis: ['LLEN', 'mail:queue'] },
        total: { member: 'receipts', command: ['cat', 'summary.json'], jsonPath: '$.total', within: 0.01 },
      },
      store: { path: './snapshots' },
    },
  },
  {
    title: 'With requests of your own, to know how quickly they are answered',
    inputs: {
      name: 'shop',
      members: {
        orders: { postgres: { url: 'postgres://app:secret@db.internal:5432/orders' } },
        sessions: { redis: { url: 'redis://:secret@cache.internal:6379' } },
      },
      samples: {
        checkout: { member: 'orders', file: './requests.sql', duration: '10s' },
        newest: { member: 'orders', sql: ['SELECT id, state FROM orders ORDER BY id DESC LIMIT 20'] },
        carts: {
          member: 'sessions',
          redis: [
            ['GET', 'session:4711'],
            ['HGETALL', 'cart:4711'],
          ],
        },
      },
      store: { path: './snapshots' },
    },
  },
];

export const RESTORE_EXAMPLES: readonly Example[] = [
  {
    title: 'The same shop, in another place',
    inputs: {
      snapshot: 'shop:1',
      members: {
        orders: { postgres: { url: 'postgres://app:secret@db.sovereign.example:5432/orders' } },
        sessions: { redis: { url: 'redis://:secret@cache.sovereign.example:6379' } },
        receipts: { files: { path: '/srv/twin/receipts' } },
      },
      store: { path: './snapshots' },
      verify: 'equivalent',
    },
  },
  {
    title: 'Warm, and measured until it is as quick as before',
    inputs: {
      snapshot: 'shop:1',
      members: {
        orders: { postgres: { url: 'postgres://app:secret@db.sovereign.example:5432/orders' } },
        sessions: { redis: { url: 'redis://:secret@cache.sovereign.example:6379' } },
      },
      store: { path: './snapshots' },
      warm: true,
      warmWithin: '5m',
    },
  },
];

export const DRILL_EXAMPLES: readonly Example[] = [
  {
    title: 'The shop, rehearsed once a month',
    inputs: {
      snapshot: 'shop',
      members: {
        orders: { postgres: { url: 'postgres://app:secret@scratch.internal:5432/orders' } },
        sessions: { redis: { url: 'redis://:secret@scratch.internal:6379' } },
        receipts: { files: { path: '/srv/scratch/receipts' } },
      },
      store: { path: './snapshots' },
      sign: { keyFile: '/etc/stasis/drill.pem' },
      maxAge: '30d',
    },
  },
];

export const COMPARISON_EXAMPLES: readonly Example[] = [
  {
    title: 'Whether the twin still is what it was restored from, looked at once a day',
    inputs: {
      snapshot: 'shop:1',
      members: {
        orders: { postgres: { url: 'postgres://app:secret@db.sovereign.example:5432/orders' } },
        receipts: { files: { path: '/srv/twin/receipts' } },
      },
      store: { path: './snapshots' },
      maxAge: '1d',
    },
  },
  {
    title: 'What has changed between two snapshots',
    inputs: { snapshot: 'shop:1', other: 'shop:2', store: { path: './snapshots' } },
  },
];

export const GET_SNAPSHOT_EXAMPLES: readonly Example[] = [
  { title: 'The newest snapshot of the shop', inputs: { snapshot: 'shop', store: { path: './snapshots' } } },
];

export const GET_SNAPSHOTS_EXAMPLES: readonly Example[] = [
  {
    title: 'All snapshots of the shop, newest first',
    inputs: { name: 'shop', store: { path: './snapshots' } },
  },
];

export const APPLICATION_EXAMPLES: readonly Example[] = [
  {
    title: 'A shop that is captured before each release',
    inputs: {
      name: 'shop',
      members: {
        orders: { postgres: { url: 'postgres://app:secret@db.internal:5432/orders' } },
        receipts: { files: { path: '/srv/shop/receipts' } },
      },
      release: '2026.11',
      store: { path: './snapshots' },
      keep: 10,
    },
  },
  {
    title: 'The same shop, with a twin in another place',
    inputs: {
      name: 'shop',
      members: {
        orders: { postgres: { url: 'postgres://app:secret@db.internal:5432/orders' } },
        receipts: { files: { path: '/srv/shop/receipts' } },
      },
      release: '2026.11',
      store: { path: './snapshots' },
      restoreTo: {
        members: {
          orders: { postgres: { url: 'postgres://app:secret@db.sovereign.example:5432/orders' } },
          receipts: { files: { path: '/srv/twin/receipts' } },
        },
        verify: 'equivalent',
      },
    },
  },
];
