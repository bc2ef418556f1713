import type { z } from 'zod';
import type { Context } from '../core/context.ts';
import type { Driver } from '../core/driver.ts';
import type { Host } from '../core/host.ts';
import type { Unknown, Values } from '../core/resource.ts';
import type { StoreType } from '../core/store.ts';

/** What resources work with; made by the composition root, which alone knows the registries. */
export interface Services {
  readonly drivers: readonly Driver[];
  readonly storeTypes: readonly StoreType[];
  /** The machine that we are on. */
  readonly host: Host;
  /** What may be said of other machines. */
  readonly hostType: HostType;
  /** What the provider's configuration says of other machines, by the names that it gives them. */
  readonly hosts: Readonly<Record<string, unknown>>;
  readonly version: string;
  /**
   * Who a name belongs to that this engine's project captures, where no state says otherwise: the same in every run
   * of the same project, so that a capture whose state was lost is taken up again.
   */
  readonly owner: string;
}

/** The services, knowing the hosts of a configuration. */
export function withHosts(services: Services, configuration: Values): Services {
  return { ...services, hosts: (configuration.hosts ?? {}) as Services['hosts'] };
}

export interface HostType {
  readonly spec: z.ZodObject;
  /** `said` fits the spec. Nothing is contacted yet. */
  open(name: string, said: unknown): Host;
  /** Where it is, without how it is logged in to; `UNKNOWN` while that is. */
  locate(said: unknown): string | Unknown;
}

/** What a provider's configuration says; each may be overridden by a resource. */
export interface Defaults {
  readonly store?: Readonly<Record<string, unknown>>;
  readonly maxPauseMs?: number;
  readonly maxBlurMs?: number;
}

export type { Context };

/** What the functions of one resource work with: its own inputs besides what all resources have. */
export interface Scope {
  readonly services: Services;
  readonly defaults: Defaults;
  readonly inputs: z.ZodObject;
}
