import { join } from 'node:path';
import type { Lab } from '../../lab/lab.ts';
import type { ShopStores } from '../shop/stores.ts';

export const ENGINE_NAMES = ['terraform', 'tofu', 'pulumi', 'stasis'] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/** Of a member whose caches were warmed. */
export interface Warmth {
  readonly hotBytes: number;
  readonly warmedBytes: number;
}

/** What an apply of the demo's two resources comes back with, by the resources' own names. */
export interface Applied {
  readonly reference: string;
  readonly sharp: boolean;
  readonly blurMs: number;
  readonly pauseMs: number;
  readonly sizeBytes: number;
  readonly storedBytes: number;
  readonly verdict: string;
  readonly restoreMs: number;
  /** By member; of the examples that ask for it. */
  readonly warmth: Readonly<Record<string, Warmth>>;
}

/** What applies the example, one way or another. */
export interface DemoEngine {
  readonly name: EngineName;
  /** `Terraform 1.11.4` */
  readonly title: string;
  /** Captures the shop and brings it to life on the twin's side. */
  apply(signal: AbortSignal): Promise<Applied>;
  /** Whether a plan made now has nothing to do; null where an engine keeps no state to plan against. */
  secondPlanEmpty(signal: AbortSignal): Promise<boolean | null>;
}

/** What every engine works with. */
export interface DemoSetting {
  /** Where the engine runs and its store is: a folder of the demo's own. */
  readonly folder: string;
  readonly shop: ShopStores;
  readonly twin: ShopStores;
  /** The machines of the token service, where there is one. */
  readonly lab: Lab | undefined;
}

const EXAMPLES = join(import.meta.dirname, '../../../examples');

/** What the engine applies. */
export function exampleFolder({ lab }: DemoSetting): string {
  return join(EXAMPLES, lab === undefined ? 'shop' : 'shop-with-memory');
}

/** The example's inputs by the names of its variables, in capitals. */
export function exampleVariables({ shop, twin, lab }: DemoSetting): Readonly<Record<string, string>> {
  return {
    SHOP_ORDERS_URL: shop.ordersUrl,
    SHOP_CARTS_URL: shop.cartsUrl,
    SHOP_RECEIPTS: shop.receiptsPath,
    TWIN_ORDERS_URL: twin.ordersUrl,
    TWIN_CARTS_URL: twin.cartsUrl,
    TWIN_RECEIPTS: twin.receiptsPath,
    ...(lab && {
      CLOUD_ADDRESS: lab.hosts.cloud.address,
      SOVEREIGN_ADDRESS: lab.hosts.sovereign.address,
      SSH_KEY_FILE: lab.keyFile,
      SSH_KNOWN_HOSTS: lab.knownHostsFile,
    }),
  };
}
