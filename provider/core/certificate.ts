/**
 * The certificate: how every member's captured state is tied to time, on the coordinator's one monotonic clock.
 * All times are nanoseconds since that clock was started. It is data only, stored in the manifest, and judged by
 * `judge` in judgement.ts by anyone who reads the snapshot.
 */

/** One reading of a member's epoch or counters: any change of the member in between would have moved it. */
export interface Reading {
  readonly sentNs: number;
  readonly acknowledgedNs: number;
  /** Equal for two readings exactly when nothing changed in between. */
  readonly value: string;
}

/** A recorded fact that a hold or mark rests on; it stands when `observed` equals `expected`. */
export interface Condition {
  /** What is claimed, for people: `forks within the lock`. */
  readonly claim: string;
  readonly expected: string;
  readonly observed: string;
}

export type HoldKind = 'frozen' | 'locked' | 'drained' | 'still';

/** The member provably did not change over `[heldFromNs, heldToNs]`, and what was captured is its state then. */
export interface Hold {
  readonly tie: 'hold';
  readonly how: HoldKind;
  readonly heldFromNs: number;
  readonly heldToNs: number;
  /** At least two, in order of time; the hold lies between the first one's answer and the last one's question. */
  readonly readings: readonly Reading[];
  /** The reading's value that the captured state itself carries; it must equal the readings'. */
  readonly captured: string;
  readonly conditions: readonly Condition[];
}

/** The captured state is the member's at one instant somewhere in `[sentNs, acknowledgedNs]`. */
export interface MarkTie {
  readonly tie: 'mark';
  readonly sentNs: number;
  readonly acknowledgedNs: number;
  /** Marks of one atomic act (one file-system snapshot, one Postgres snapshot read by all) share its name. */
  readonly act: string;
  /** The epoch that the marked state carries, where the member has epochs. */
  readonly epoch?: string;
  readonly conditions: readonly Condition[];
}

/** The captured state was read bit by bit over `[fromNs, toNs]` while the member may have changed. */
export interface Smear {
  readonly tie: 'smear';
  readonly fromNs: number;
  readonly toNs: number;
  readonly reason: string;
}

export type Tie = Hold | MarkTie | Smear;

export interface Certificate {
  readonly formatVersion: 1;
  /** Wall-clock time at the clock's zero, ISO 8601; for people, no part of the proof. */
  readonly startedAt: string;
  /** Every member has at least one tie; a member without one cannot be judged sharp. */
  readonly members: Readonly<Record<string, readonly Tie[]>>;
  /** When anything was paused, per member: from the first request to the answer of the release. */
  readonly pauses: readonly Pause[];
}

export interface Pause {
  readonly member: string;
  readonly fromNs: number;
  readonly toNs: number;
}

export interface Judgement {
  readonly sharp: boolean;
  /** 0 when sharp; the least interval within which all of the state lies; null when a member has no valid tie. */
  readonly blurMs: number | null;
  /** The instant that the snapshot shows: inside all holds and marks when sharp, else the middle of the blur. */
  readonly cutNs: number | null;
  /** Why it is not sharp, and which ties did not count; for people. */
  readonly findings: readonly Finding[];
}

export interface Finding {
  readonly member: string;
  readonly message: string;
}
