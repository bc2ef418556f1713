import type { Certificate } from './certificate.ts';
import type { LogPosition } from './log-position.ts';
import type { ProbeRecord } from './probe.ts';
import type { SampleRecord } from './sample.ts';
import type { BlobDescriptor } from './store.ts';
import type { Fidelity } from './verdict.ts';

/** 2: blobs have digests of their own kind. */
export const FORMAT_VERSION = 2;

export type Layer = 'compute' | 'runtime' | 'data';

/** Which layers of a member are in the snapshot, and what is known to be outside it. */
export interface Coverage {
  readonly layers: readonly Layer[];
  readonly outside: readonly OutsideItem[];
}

export interface OutsideItem {
  /** Stable: `postgres.replication-slot`. */
  readonly code: string;
  /** For people: `2 replication slots`. */
  readonly message: string;
}

/** One member's contribution to a snapshot, as its driver made it. */
export interface Capture {
  /** The driver's own version of `content`; a driver refuses a newer one by name. */
  readonly contentVersion: number;
  /** What the driver needs to restore: JSON, holding digests of blobs that it put. Never a secret. */
  readonly content: unknown;
  /** Bytes of the captured state, as a user would count them. */
  readonly sizeBytes: number;
  /** Shown to people: `12 tables`, `1,204,331 keys`. */
  readonly summary: string;
  readonly coverage: Coverage;
  /**
   * The epoch reading whose state was copied. Required of a session without marks: without it, nothing ties what was
   * copied to what was held.
   */
  readonly epoch?: string;
  /**
   * Set where a fence had stopped it and the capture left it so: what was read of it after its last byte was taken.
   * `FenceControl.readStopped` gives the same for as long as nothing in it has run.
   */
  readonly stopped?: string;
  /** Where the log of its writes stood at the cut, or right before it; absent where it has none, or nobody could tell. */
  readonly position?: LogPosition;
  /** What system it came from, for checks against a target: `{ product: 'PostgreSQL', version: '15.18' }`. */
  readonly system: Readonly<Record<string, string>>;
}

/** A capture with what the coordinator adds. */
export interface MemberCapture extends Capture {
  readonly driver: string;
  /** Where it was, without secrets. */
  readonly endpoint: string;
  readonly fidelity: Fidelity;
  /** NDJSON of FingerprintEntry, sorted. */
  readonly fingerprint: BlobDescriptor & { readonly entries: number };
}

/** What a snapshot is; its name is the digest of the OCI manifest that holds it. `generation` is 1 for the first. */
export interface Manifest {
  readonly formatVersion: number;
  readonly name: string;
  readonly generation: number;
  /** ISO 8601, by the coordinator's wall clock; for people. */
  readonly cutAt: string;
  readonly sharp: boolean;
  readonly blurMs: number;
  /** How long the longest-paused member was paused. */
  readonly pauseMs: number;
  readonly certificate: Certificate;
  readonly members: Readonly<Record<string, MemberCapture>>;
  /** What the user asked at the cut, by name; absent where nothing was. */
  readonly probes?: Readonly<Record<string, ProbeRecord>>;
  /** How quickly requests of the user's were answered before the cut, by name; absent where none were asked. */
  readonly samples?: Readonly<Record<string, SampleRecord>>;
  readonly sizeBytes: number;
  /** Bytes in the store that this snapshot needs, and those that it added. */
  readonly storedBytes: number;
  readonly newBytes: number;
  readonly createdBy: string;
}
