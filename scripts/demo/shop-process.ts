import { join } from 'node:path';
import { startWorkload, type Workload } from '../../test/support/workload/parent.ts';
import type { ShopReport } from './shop/main.ts';
import type { ShopStores } from './shop/stores.ts';

export type Shop = Workload<ShopReport>;

/** Opens a shop over these stores, and with the token service of that URL if one is given, and lets it sell, in a process of its own, until disposed of. */
export function startShop(stores: ShopStores, tokensUrl = ''): Promise<Shop> {
  return startWorkload(join(import.meta.dirname, 'shop/main.ts'), {
    SHOP_ORDERS_URL: stores.ordersUrl,
    SHOP_CARTS_URL: stores.cartsUrl,
    SHOP_RECEIPTS_PATH: stores.receiptsPath,
    SHOP_TOKENS_URL: tokensUrl,
  });
}
