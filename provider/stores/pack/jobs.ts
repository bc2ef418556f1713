import type { Chunking } from '../../core/store.ts';
import type { FrameRecord } from './frame.ts';
import type { IndexMemory } from './shared-index.ts';
import type { UnchangedMemory } from './unchanged.ts';
import type { PackedUnit } from './unit-packer.ts';

/**
 * What the main thread asks of a worker. Messages to one worker are handled in order. A session is one draft.
 */
export type Job =
  | { readonly kind: 'chunk'; readonly session: number; readonly chunking: Chunking; readonly unit: UnitPart }
  | { readonly kind: 'flush'; readonly session: number }
  | { readonly kind: 'read'; readonly task: ReadTask };

/** What a worker is told and does not answer. */
export type Notice =
  | { readonly kind: 'index'; readonly session: number; readonly memory: IndexMemory }
  | { readonly kind: 'unchanged'; readonly session: number; readonly memory: UnchangedMemory }
  | { readonly kind: 'end-session'; readonly session: number };

export interface UnitPart {
  readonly memory: SharedArrayBuffer;
  readonly sizeBytes: number;
}

/** The content of part of a blob, out of frames that the main thread has fetched. */
export interface ReadTask {
  /** What all frames lie in; it comes back with the answer. */
  readonly buffer: ArrayBuffer;
  readonly frames: readonly FetchedFrame[];
  /** Threes of length, place in `frames` (-1 for zeros), and offset in the frame's raw content. */
  readonly segments: readonly number[];
}

export interface FetchedFrame {
  readonly stored: Uint8Array;
  readonly rawBytes: number;
  /** SHA-256 of `stored`. */
  readonly digest: Uint8Array;
}

/** Content in order; a number stands for that many zeros. */
export type Piece = Uint8Array | number;

/** The answers, by kind of job. */
export interface Answers {
  readonly chunk: PackedUnit;
  readonly flush: { readonly frames: readonly FrameRecord[] };
  readonly read: { readonly pieces: readonly Piece[]; readonly buffer: ArrayBuffer };
}

export type Request = { readonly id: number; readonly job: Job } | { readonly notice: Notice };

export type Reply =
  | { readonly id: number; readonly answer: Answers[Job['kind']] }
  | { readonly id: number; readonly error: { readonly code: string; readonly message: string } };
