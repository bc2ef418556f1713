import type { Driver } from '../../../provider/core/driver.ts';

/**
 * What the conformance suite of drivers needs to know of one driver: how to have a real system of its kind, how to
 * put it under load, how to break it in the ways that break naive captures, and how to look at it with other eyes than
 * the driver's own. Everything an adapter makes it also ends.
 */
export interface DriverAdapter {
  readonly driver: Driver;
  readonly sessions: SessionTraits;
  /**
   * Whether it goes on changing with nobody asking anything of it, as a machine with a clock does: then what was
   * released is not what was captured for long.
   */
  readonly restless?: true;
  /**
   * Where there can be only one of a kind, what is at a target goes before the restored comes. An overwriting restore
   * that is not released then leaves nothing there, and the safety snapshot is the way back.
   */
  readonly replacesFirst?: true;
  /** Why this machine cannot run it, for a skip with a reason. */
  unavailable(): Promise<string | undefined>;
  start(): Promise<System>;
}

/** What a session of the driver can do. The suite insists on it, and has tests for each. */
export interface SessionTraits {
  readonly watch: boolean;
  readonly hold: boolean;
  /** `held`: a mark is read piece by piece, so it is refused while nothing is held. */
  readonly mark: 'always' | 'held' | 'never';
}

/** One real system with some data of every kind that the driver claims. */
export interface System extends AsyncDisposable {
  readonly spec: unknown;
  /** Planted where a user would put one; must turn up nowhere. */
  readonly secret?: string;
  /** Starts steady writes that keep the invariant which `Target.faults` checks. */
  load(): Promise<Load>;
  emptyTarget(): Promise<Target>;
  /** Holds something of its own, which a failed restore must leave as it was. */
  filledTarget(): Promise<Target>;
  /** What of ours is left on the system: sessions, pauses, locks, files, processes. Empty when there is nothing. */
  residue(): Promise<readonly string[]>;
  readonly disturbances: readonly Disturbance[];
  /** Specs that cannot work; their plan says so. */
  readonly refused: readonly Refused[];
}

export interface Load extends AsyncDisposable {
  /** Writes that were acknowledged so far. */
  operations(): Promise<number>;
}

export interface Target extends AsyncDisposable {
  readonly spec: unknown;
  /** Why what is there is no state that the source can have been in at one instant. */
  faults(): Promise<readonly string[]>;
  /** Changes one object by other means than ours, and says which the fingerprint has to name. */
  mutate(): Promise<string>;
  /** All that is there, by other eyes than ours: equal exactly for the same. */
  state(): Promise<string>;
  residue(): Promise<readonly string[]>;
}

/** Something that happens to a system in the middle of a capture. */
export interface Disturbance {
  readonly name: string;
  /** Whether it changes what a capture holds: then no hold over the time in which it was done may stand. */
  readonly changes: boolean;
  /** Does it once, and returns when it is done. May be kept waiting by the capture's own locks. */
  disturb(signal: AbortSignal): Promise<void>;
}

export interface Refused {
  readonly name: string;
  readonly spec: unknown;
  /** Codes of which the plan has to have one, as an error. */
  readonly codes: readonly string[];
}
