import type { Chunking } from '../../core/store.ts';

/** Content goes to the workers in units of this size: big enough that a message a unit costs nothing. */
export const UNIT_BYTES = 4 * 1024 * 1024;

/**
 * New chunks are compressed together in frames of at most this much raw content: the unit of compression is not
 * the unit of deduplication (4 KiB frames take 15 to 19 % more space).
 */
export const FRAME_BYTES = 256 * 1024;

/** Chunks of one frame are bounded, so that a frame of tiny blobs has a bounded table. */
export const FRAME_CHUNKS = 1024;

/** The aligned length of a chunk, or undefined where the content itself decides. */
export function pageBytes(chunking: Chunking): number | undefined {
  if (chunking === 'pages-4k') return 4096;
  return chunking === 'pages-8k' ? 8192 : undefined;
}

/** The numbers by which a map on disk names them; never change one. */
export const CHUNKING_CODES: Readonly<Record<Chunking, number>> = {
  'pages-4k': 1,
  'pages-8k': 2,
  content: 3,
};

/** No more chunks than this come out of a unit: whoever sends one reserves room for them in the index. */
export function maxChunksOf(sizeBytes: number): number {
  return Math.ceil(sizeBytes / 4096) + 1;
}
