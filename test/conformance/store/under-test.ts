import type { Digest } from '../../../provider/core/digest.ts';
import type { StoreType } from '../../../provider/core/store.ts';

/**
 * What the suite needs to know of a kind of store beside its interface: how to get an empty one, and how to damage
 * what it stores. A new kind of store writes one of these and has to pass `describeStore`.
 */
export interface StoreUnderTest {
  readonly type: StoreType;
  fresh(): Promise<FreshStore>;
  /** Why this machine cannot have a small one; undefined where it can. */
  readonly whyNoSmall: string | undefined;
  /** One with room for about `sizeBytes`. */
  small(sizeBytes: number): Promise<FreshStore>;
}

/** An empty store that nobody else knows. Disposal removes it. */
export interface FreshStore extends AsyncDisposable {
  /** JSON: other processes get it too. */
  readonly spec: Readonly<Record<string, unknown>>;
  /** Everything stored that reading this snapshot, or finding it, depends on. */
  parts(digest: Digest): Promise<readonly StoredPart[]>;
  /** Everything stored that is kept, of all snapshots; without locks, drafts and temporary files. */
  all(): Promise<readonly StoredPart[]>;
  /** What is there that neither a sealed snapshot nor a living writer needs. */
  leftovers(): Promise<readonly string[]>;
}

export interface StoredPart {
  readonly name: string;
  readonly sizeBytes: number;
  /** Shared by all snapshots: it changes when another one is captured. */
  readonly shared: boolean;
  read(): Promise<Buffer>;
  /** Replaces it; undefined removes it. */
  write(bytes: Buffer | undefined): Promise<void>;
}
