import type { Context } from './context.ts';
import type { RestoreOptions } from './driver.ts';
import type { StasisError } from './errors.ts';
import type { Host } from './host.ts';
import type { MemberCapture } from './manifest.ts';

/**
 * Keeps an original from taking writes from anybody, or from running at all, for as long as it is not lifted: also when we
 * have ended, whatever has ended us. `Driver.undo` of what it has journaled lifts it.
 */
export interface FenceControl<Spec = unknown> {
  /** What would keep it from being fenced. Reads only. */
  obstacles(spec: Spec, at: Host, context: Context): Promise<readonly StasisError[]>;
  /**
   * On return no write of others is under way, and none that begins later is accepted. Idempotent, also for what a
   * restore that died has fenced.
   */
  raise(spec: Spec, at: Host, journal: RestoreOptions['journal'], context: Context): Promise<void>;
  /**
   * Set where what is fenced does not run at all. A capture of it then works as ever, and leaves it stopped.
   * @returns what is compared with `Capture.stopped`
   */
  readStopped?(spec: Spec, at: Host, context: Context): Promise<string>;
}

/** Whether a restored member may speak to others than the members of its restore. */
export type Egress = 'open' | 'blocked';

export interface EgressControl<Spec = unknown> {
  /** What of a captured member keeps it from being blocked; none if absent. Pure. */
  obstacles?(from: MemberCapture): readonly StasisError[];
  /**
   * Of what the restore of that id has released at the target, while it runs; fields of the spec whose role is `network`
   * likewise. Idempotent; a member that has ended by itself is fine.
   * @throws StasisError `restore.filled-by-another` when that restore is not the last that has filled the target.
   */
  set(spec: Spec, at: Host, egress: Egress, restoreId: string, context: Context): Promise<void>;
}
