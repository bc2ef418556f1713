import type { z } from 'zod';
import type { Condition, HoldKind, Reading } from './certificate.ts';
import type { ItemsOf, ReadableState } from './compare-states.ts';
import type { Context } from './context.ts';
import type { Egress, EgressControl, FenceControl } from './controls.ts';
import type { StasisError } from './errors.ts';
import type { Fingerprint } from './fingerprint.ts';
import type { Host } from './host.ts';
import type { LogPosition, LogProgress } from './log-position.ts';
import type { Capture, Layer, MemberCapture, OutsideItem } from './manifest.ts';
import type { Answers, Questions } from './probe.ts';
import type { BlobReader, Blobs } from './store.ts';
import type { Fidelity } from './verdict.ts';
import type { Warmth } from './warmth.ts';

/**
 * A driver knows how to capture and restore one kind of system. It never imports another driver, a store or the
 * coordinator, and the coordinator never branches on its name: only on its traits and on which of the optional
 * powers (`Watchable`, `Holdable`, `Markable`) its session has.
 *
 * A capture goes: plan (reads only), prepare -> Session; then, driven by the coordinator, any number of cuts
 * (epoch, hold, mark, release, epoch), then copy and fingerprint, then disposal. Disposal is legal at any point and
 * undoes everything: after it the member runs as before and nothing of ours is left on it.
 */
export interface Driver<Spec = unknown> {
  /** Also the key under a member: `{ postgres: { … } }`. */
  readonly name: string;
  readonly summary: string;
  /**
   * What a user writes under that key. Every field has `.describe()`, and `.meta({ role })` of FieldRole. The
   * schemas of all engines and the docs are made from it. A Restore's targets use the same one.
   */
  readonly spec: z.ZodObject;
  readonly traits: Traits;
  /** Which questions of a user's its sessions answer at a cut, and what it restores before the release; none if absent. */
  readonly questions?: Questions;
  /** Where the member is, without user, password and options: equal exactly for the same place. Pure. */
  endpoint(spec: Spec): string;
  /** Reads only, bounded in time; tells every problem it finds instead of throwing the first. */
  plan(spec: Spec, at: Host, context: Context): Promise<CapturePlan>;
  prepare(spec: Spec, at: Host, context: Context): Promise<Session>;
  /** What would keep a restore of `from` into this target from succeeding. Reads only. */
  planRestore(spec: Spec, at: Host, from: MemberCapture, context: Context): Promise<RestorePlan>;
  /** Loads beside or into the target and keeps it from being used until `release`. */
  restore(
    spec: Spec,
    at: Host,
    from: MemberCapture,
    blobs: BlobReader,
    options: RestoreOptions,
    context: Context,
  ): Promise<Held>;
  /** The running system's fingerprint now (not at a cut); for `compare` against a running application. */
  observe(spec: Spec, at: Host, context: Context): Promise<Held>;
  /** What lies within the objects of a capture's fingerprint, read from its blobs. Absent where nothing does. */
  storedItems?(from: MemberCapture, blobs: BlobReader): ItemsOf;
  /**
   * How far the log of an original has come since a capture of it. Reads only. Absent where it has none.
   * @throws StasisError `lost-work.other-log`
   */
  progress?(spec: Spec, at: Host, since: LogPosition, context: Context): Promise<LogProgress>;
  /**
   * Undoes what a dead process of ours left on the member, from its journal entry. Idempotent; what is already
   * gone is fine.
   */
  undo(spec: Spec, at: Host, entry: unknown, context: Context): Promise<void>;
  /**
   * Answers of what runs, given while it goes on, each of its own moment; nothing of ours stays between two of them. Absent
   * where it answers no questions.
   *
   * @param from what a restore of which has filled it: its databases are called as they were there
   */
  ask?(spec: Spec, at: Host, context: Context, from?: MemberCapture): Promise<Answers>;
  /** Set where what it restores can be kept from speaking to the outside while it runs. */
  readonly egress?: EgressControl<Spec>;
  /** Set where an original can be fenced. */
  readonly fence?: FenceControl<Spec>;
  /** What it needs and finds on a host, whatever the member: for `stasis doctor`. Reads only, bounded in time. */
  examine?(at: Host, context: Context): Promise<Examination>;
}

export interface Examination {
  /** For people: `pg_dump 17.5` at `/usr/lib/postgresql/17/bin/pg_dump`. */
  readonly found: readonly { readonly what: string; readonly where: string }[];
  /** What is missing, and what to do about it; an error means that nothing can be captured. */
  readonly problems: readonly StasisError[];
}

/**
 * What a field of a driver's spec means to a resource:
 * `endpoint` where the member is (its change captures again); `selection` what of it is captured (likewise);
 * `access` how to reach it (user, key, TLS files) and `limit` (timeouts, parallelism): neither ever captures again;
 * `network` how what a restore has let go is connected: its change is put into effect by `egress.set`, in place.
 * A field that can hold a secret says `secret: true`: engines keep it out of state; a URL that holds both place and
 * password is `role: 'access', secret: true`, its place being known by the computed `endpoint`.
 */
export type FieldRole = 'endpoint' | 'selection' | 'access' | 'network' | 'limit';

export interface Traits {
  readonly layers: readonly Layer[];
  /** What equality of fingerprints after a restore means. */
  readonly fidelity: Fidelity;
  /**
   * When `copy` is called: from marks, once the member runs again; or while it is still held, where it has nothing
   * to copy from afterwards. Then the copy is part of the pause.
   */
  readonly copies: 'after-release' | 'before-release';
  /**
   * In which order members are held: lower ranks first, released last-held first. Clients (runtime) 0, stores 10.
   * A member with a runtime layer is held in every cut: what runs is never still.
   */
  readonly rank: number;
  /** Set where nothing of what is restored runs, so that it speaks to nobody. */
  readonly inert?: true;
}

export interface CapturePlan {
  /** With `at` inside the driver's spec (`['url']`); severity error or warning. */
  readonly problems: readonly StasisError[];
  /** Physical identity of each thing captured: two members sharing one are refused. Empty if out of reach. */
  readonly identities: readonly string[];
  /** Folders of the member's host that are captured: a store must not lie inside one. */
  readonly folders: readonly string[];
  readonly sizeBytes: number;
  /** How long it expects to pause the member; 0 where it does not. */
  readonly pauseMs: number;
  readonly outside: readonly OutsideItem[];
  readonly system: Readonly<Record<string, string>>;
}

export interface RestorePlan {
  readonly problems: readonly StasisError[];
  readonly identities: readonly string[];
  /** Whether the target holds nothing that a restore would replace. */
  readonly empty: boolean;
  /** The id of the restore that filled it, if the target remembers one. */
  readonly restoredBy?: string;
  readonly sizeBytes: number;
}

export interface RestoreOptions {
  /** Remembered by the target when released. */
  readonly restoreId: string;
  /** Replace what is there. */
  readonly overwrite: boolean;
  /** `absolute` keeps expiry times as they were; `remaining` gives each key what it had left at the cut. */
  readonly expiry: 'absolute' | 'remaining';
  /** Wall clock at the cut, Unix milliseconds. */
  readonly cutAtMs: number;
  /** `blocked` from before the first instruction on, and after the release, until it is set otherwise. `open` unless said. */
  readonly egress?: Egress;
  /** Called before the member is changed in any way, with what `undo` will need. Durable on return. */
  readonly journal: (entry: unknown) => Promise<void>;
}

/** Something held still, or loaded and not yet released. Disposal drops all it made; idempotent. */
export interface Held extends AsyncDisposable {
  fingerprint(): Fingerprint;
  /**
   * The fingerprint in a state that stays until disposal, so that what differs can be looked into. Absent where nothing
   * lies within an object, or it cannot be read twice.
   */
  readable?(): Promise<ReadableState & AsyncDisposable>;
  /** Answers of the state that is held. Absent where nobody can be asked before the release. */
  readonly answers?: Answers;
  /**
   * Brings back what lay in its caches at the cut, as far as the snapshot knows; bounded in time. Absent where memory
   * itself is restored, or all data is memory. Whatever it throws, the member can still be released.
   */
  warm?(): Promise<Warmth>;
  /**
   * Set where it answers only while it runs: lets it run, cut off from all but itself and those members of its restore
   * that run on the same host. Called once its fingerprint was read, of all such members of a restore at once; then it is
   * no longer as at the cut. It is not released by that: disposal takes it away as before.
   */
  readonly rehearse?: () => Promise<Answers>;
  /** Lets it run: the restored data takes the target's place. After it, disposal changes nothing more on the member. */
  release(): Promise<void>;
}

/** A capture in progress. */
export interface Session extends AsyncDisposable {
  /** Set when it can prove stillness. */
  readonly watch?: Watchable;
  /** Set when it can be kept from changing. */
  readonly hold?: Holdable;
  /** Set when it can mark an instant. A session without it copies what its hold or epochs kept still. */
  readonly mark?: Markable;
  /**
   * Before the first cut: puts what is there already, so that little is left to copy after the cut. No proof rests on
   * it: `copy` looks again at what it uses of it.
   */
  preload?(blobs: Blobs): Promise<void>;
  /**
   * Copies the state of the last cut (its last mark, or what was held still) into the store.
   * @throws StasisError; `cut.lost` when that state is gone (a file changed before it was copied): cut again.
   */
  copy(blobs: Blobs): Promise<Capture>;
  /** Of the same state, by a reader independent of the copy. Legal after copy. */
  fingerprint(blobs: BlobReader): Fingerprint;
  /** Answers of the state of the last mark; legal after `copy`, before `fingerprint`. */
  readonly markAnswers?: Answers;
  /**
   * Answers of the member as it is when it is asked. One counts as the cut's where it was asked within a hold of the
   * member: so it is asked between two epochs, or while it is locked.
   */
  readonly liveAnswers?: Answers;
  /**
   * Answers of a member that answers only while it runs, and never while it is held. Asked before the holds and again
   * after the thaw: one counts as the cut's where both are equal.
   */
  readonly aroundAnswers?: Answers;
  /**
   * What to do when no sharp cut was found and the user accepts blur: read it as it changes. Absent where a mark
   * always works. Returns the interval of reading; a following `copy` then succeeds.
   */
  smear?(blobs: Blobs): Promise<{ readonly fromNs: number; readonly toNs: number; readonly reason: string }>;
}

export interface Watchable {
  /** What a reading costs, roughly; slow ones are read outside of others' locks. */
  readonly costMs: number;
  /**
   * The epoch now: sent and acknowledged on the context's clock around the one exchange that reads it.
   * `provable` false when equal values would be no proof (a file mapped writable), with the reason.
   */
  epoch(signal: AbortSignal): Promise<EpochReading>;
  /**
   * How many requests of others it is working on right now; undefined where it may not see that. Asked once its
   * clients are frozen: 0, and equal epochs from then on, and it is drained.
   */
  busy?(signal: AbortSignal): Promise<number | undefined>;
}

export interface EpochReading extends Reading {
  readonly unprovable?: string;
}

export interface Holdable {
  readonly how: HoldKind;
  /**
   * Waits for what would only lengthen a pause: a connection, the end of what the last try has started. Called before
   * each freeze, while nothing is held; it counts as no pause. `leaseMs` is what the freeze is going to be given, so that
   * its lease can be armed by then.
   */
  settle?(signal: AbortSignal, leaseMs?: number): Promise<void>;
  /** Once all members have settled, some of them long ago: the time of an armed lease begins anew. Never throws. */
  renew?(): Promise<void>;
  /**
   * Stops it from changing, under a lease of `leaseMs` on the member's own side, which thaws it if we die. Returns
   * when it is held and a first reading was taken.
   */
  freeze(leaseMs: number, signal: AbortSignal): Promise<void>;
  /** A last reading, while still held. Only what this returns is evidence. */
  evidence(signal: AbortSignal): Promise<HoldEvidence>;
  /**
   * Set where the last reading and the thaw go in one exchange, the reading first: it is then held for a round trip
   * less. Called in place of `evidence`, once all marks are taken; `thaw` follows all the same.
   */
  thawWithEvidence?(signal: AbortSignal): Promise<HoldEvidence>;
  /** Idempotent; legal after a freeze that failed half-way; bounded; must not depend on the context's signal. */
  thaw(): Promise<void>;
}

export interface HoldEvidence {
  readonly readings: readonly Reading[];
  /** The reading that the marked or held state carries. */
  readonly captured: string;
  readonly conditions: readonly Condition[];
}

export interface Markable {
  /**
   * Takes a new mark, dropping the one before. Constant time. No reading comes of it where what was kept was read
   * piece by piece within the hold (a dump of memory): then the hold alone ties it to time.
   */
  take(signal: AbortSignal): Promise<readonly MarkReading[]>;
}

/** Several, when parts of a member were marked at instants not shown to be the same. */
export interface MarkReading {
  readonly sentNs: number;
  readonly acknowledgedNs: number;
  /** Marks with equal act are one instant. */
  readonly act: string;
  /** Equal to the member's epoch readings exactly when the mark shows the state that they do. */
  readonly epoch?: string;
  readonly conditions?: readonly Condition[];
}
