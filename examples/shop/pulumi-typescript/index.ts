// A shop with its orders in Postgres, its carts in Redis and its receipts in a folder: photographed at one instant
// while it sells, and brought back to life elsewhere. `pulumi up`.
import * as pulumi from '@pulumi/pulumi';
import * as stasis from '@stasis-iac/stasis';

// The URLs hold passwords: `pulumi config set --secret shopOrdersUrl postgres://…`. They are encrypted in the state.
const config = new pulumi.Config();

const shop = new stasis.Snapshot('shop', {
  members: {
    orders: { postgres: { url: config.requireSecret('shopOrdersUrl') } },
    carts: { redis: { url: config.requireSecret('shopCartsUrl') } },
    receipts: { files: { path: config.require('shopReceipts') } },
  },
  store: { path: './snapshots' },
  maxPauseMs: 2000,
  triggers: { release: '2026.11' }, // a change captures the next generation
});

const twin = new stasis.Restore('twin', {
  snapshot: shop.reference,
  members: {
    orders: { postgres: { url: config.requireSecret('twinOrdersUrl') } },
    carts: { redis: { url: config.requireSecret('twinCartsUrl') } },
    receipts: { files: { path: config.require('twinReceipts') } },
  },
  store: { path: './snapshots' },
  verify: 'equivalent',
});

export const snapshot = {
  reference: shop.reference,
  sharp: shop.sharp,
  blurMs: shop.blurMs,
  pauseMs: shop.pauseMs,
  sizeBytes: shop.sizeBytes,
  storedBytes: shop.storedBytes,
};

export const restore = {
  verdict: twin.verdict,
  restoreMs: twin.restoreMs,
};
