import { hash } from 'node:crypto';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { free } from './memory.ts';

/** The frame of an extent of zeros, which are not stored. */
export const ZERO_FRAME = -1;

/** A frame of a pack: chunks compressed together, with what the pack's table of contents says of them. */
export interface FrameRecord {
  /** Its number in the session's index. */
  readonly frame: number;
  readonly rawBytes: number;
  /** One zstd frame. */
  readonly stored: Uint8Array;
  /** SHA-256 of `stored`, 32 bytes. */
  readonly digest: Uint8Array;
  /** Of its chunks, in order: 32 bytes of SHA-256 each, and their lengths. */
  readonly chunkHashes: Uint8Array;
  readonly chunkLengths: Uint32Array;
}

// Level 1 is set explicitly as Node's default is 3, at half the speed for 4 % of space. Negative levels are ignored.
const PARAMS = { [constants.ZSTD_c_compressionLevel]: 1 };

/** Node cuts buffers of less than half of it out of a shared pool, which can neither be transferred nor given back. */
const OWN_MEMORY_BYTES = Buffer.poolSize;

/** One zstd frame, in memory of its own that may be transferred. */
export function compressFrame(raw: Uint8Array): Uint8Array {
  const chunkSize = Math.max(OWN_MEMORY_BYTES, raw.length >> 1);
  const stored = zstdCompressSync(raw, { params: PARAMS, pledgedSrcSize: raw.length, chunkSize });
  if (stored.byteLength * 2 >= stored.buffer.byteLength) return stored;
  const copy = new Uint8Array(stored);
  free([stored]);
  return copy;
}

/** In memory of its own. @throws when the bytes are no zstd frame of exactly `rawBytes`. */
export function decompressFrame(stored: Uint8Array, rawBytes: number): Buffer {
  // With room for all and a little more, zlib makes one buffer and no copy.
  const chunkSize = Math.max(OWN_MEMORY_BYTES, rawBytes + 64);
  const raw = zstdDecompressSync(stored, { chunkSize, maxOutputLength: rawBytes + 64 });
  if (raw.length !== rawBytes)
    throw new RangeError(`a frame holds ${raw.length} bytes where ${rawBytes} belong`);
  return raw;
}

export function frameDigest(stored: Uint8Array): Uint8Array {
  return Uint8Array.from(hash('sha256', stored, 'buffer'));
}
