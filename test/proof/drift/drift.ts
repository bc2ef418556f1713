import type { Member } from '../../../provider/coordinator/member.ts';

/** One way in which a restored system may come to differ from what was captured: a real change of a real system. */
export interface Drift<T extends Twin = Twin> {
  /** What is done to it, for the table: `a row is deleted`. */
  readonly name: string;
  /**
   * What the comparison has to name, and nothing else: the first was changed, the others follow from it. A pattern where
   * a name has numbers in it that the system gives.
   */
  readonly objects: readonly (string | RegExp)[];
  /** What has to be said of the rows of the first: `1 row changed: id=7`. */
  readonly rows?: string;
  /** Further objects that may differ: what a process has to run through for the change. */
  readonly besides?: RegExp;
  /** Why a rule of the driver does not let it show, though somebody may wish to know. `objects` is then empty. */
  readonly unseen?: string;
  /** It is no change of anything that counts, and must not be told. `objects` is then empty. */
  readonly harmless?: true;
  change(twin: T): Promise<void>;
  /** Takes back what the next twin would have as well: what belongs to the server. */
  undo?(twin: T): Promise<void>;
}

/** A target that is empty until it is restored into, and gone with its disposal. */
export interface Twin extends AsyncDisposable {
  readonly member: Member;
}

/** An original, and what its twins may be done to. */
export interface Subject<T extends Twin = Twin> extends AsyncDisposable {
  readonly member: Member;
  twin(): Promise<T>;
}

/** One driver's part of the proof. */
export interface Kind<T extends Twin = Twin> {
  readonly driver: string;
  /** Why it cannot run on this machine. */
  readonly missing?: string;
  readonly drifts: readonly Drift<T>[];
  /**
   * What runs on changes by itself. Such a twin is changed before it is released, between the load and the comparison of
   * the restore; all others after it, and before a comparison of their own.
   */
  readonly held?: true;
  /** How many of them the short form tries. */
  readonly inShort: number;
  start(): Promise<Subject<T>>;
}
