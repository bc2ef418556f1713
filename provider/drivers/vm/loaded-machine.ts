import type { Host } from '../../core/host.ts';
import type { VmContent } from './content.ts';
import type { Monitor } from './monitor/monitor.ts';
import type { Place } from './place.ts';
import type { VmSpec } from './spec.ts';

/** What it takes to start a machine whose folder is filled. */
export interface Loading {
  readonly spec: VmSpec;
  readonly host: Host;
  readonly place: Place;
  readonly content: VmContent;
  readonly restoreId: string;
  /** Whether a VM is at the target, which this one is to replace. */
  readonly replaces: boolean;
  readonly signal: AbortSignal;
}

/** A machine that was started and has not run. Whoever drops its folder's VM ends it. */
export interface LoadedMachine {
  readonly monitor: Monitor;
  /** Takes the target's place and lets it run. */
  release(): Promise<void>;
}
