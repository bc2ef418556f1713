import type { Context } from '../core/context.ts';
import type { Driver } from '../core/driver.ts';
import type { Host } from '../core/host.ts';
import type { StoreType } from '../core/store.ts';

/** What resources work with; made by the composition root, which alone knows the registries. */
export interface Services {
  readonly drivers: readonly Driver[];
  readonly storeTypes: readonly StoreType[];
  readonly host: Host;
  readonly version: string;
  /**
   * Who a name belongs to that this engine's project captures, where no state says otherwise: the same in every run
   * of the same project, so that a capture whose state was lost is taken up again.
   */
  readonly owner: string;
}

/** What a provider's configuration says; each may be overridden by a resource. */
export interface Defaults {
  readonly store?: Readonly<Record<string, unknown>>;
  readonly maxPauseMs?: number;
  readonly maxBlurMs?: number;
}

export type { Context };
