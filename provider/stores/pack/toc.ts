/**
 * The table of contents at the end of a pack: what its frames are, and which chunks they hold. It is a skippable
 * frame of zstd (RFC 8878, 3.1.2), so that `zstd -dc` reads the pack. All numbers are little-endian.
 *
 *     u32 0x184D2A5E   u32 length of all that follows
 *     8 bytes "stasisTC"   u16 version   u16 encryption (0: none)
 *     u32 frames   u32 chunks
 *     per frame: u32 stored bytes   u32 raw bytes   u32 chunks   32 bytes SHA-256 of the stored bytes
 *     per chunk: u32 length
 *     per chunk: 32 bytes SHA-256
 *     u32 length of this whole skippable frame   8 bytes "stasisTC"
 */
import { endianness } from 'node:os';
import { StasisError } from '../../core/errors.ts';
import { refuseOtherFormat } from '../../core/format-version.ts';
import type { FrameRecord } from './frame.ts';
import { PackFrames } from './pack-frames.ts';

const SKIPPABLE_MAGIC = 0x184d2a5e;
const NAME = Buffer.from('stasisTC', 'latin1');
const VERSION = 1;
const HEADER_BYTES = 28;
const FRAME_ENTRY_BYTES = 44;
const FOOTER_BYTES = 12;
const HASH_BYTES = 32;

/** A pack's chunks, frame by frame. */
export interface PackToc {
  readonly frames: PackFrames;
  readonly chunkCounts: readonly number[];
  readonly chunkLengths: Uint32Array;
  readonly chunkHashes: Uint8Array;
}

/** What of a frame goes into the table. */
export type TocFrame = Omit<FrameRecord, 'stored' | 'frame'> & { readonly storedBytes: number };

export function encodeToc(frames: readonly TocFrame[]): Buffer {
  const chunks = frames.reduce((sum, frame) => sum + frame.chunkLengths.length, 0);
  const size = HEADER_BYTES + frames.length * FRAME_ENTRY_BYTES + chunks * (4 + HASH_BYTES) + FOOTER_BYTES;
  const bytes = Buffer.alloc(size);
  bytes.writeUInt32LE(SKIPPABLE_MAGIC, 0);
  bytes.writeUInt32LE(size - 8, 4);
  NAME.copy(bytes, 8);
  bytes.writeUInt16LE(VERSION, 16);
  bytes.writeUInt16LE(0, 18);
  bytes.writeUInt32LE(frames.length, 20);
  bytes.writeUInt32LE(chunks, 24);
  let at = HEADER_BYTES;
  let lengthAt = at + frames.length * FRAME_ENTRY_BYTES;
  let hashAt = lengthAt + chunks * 4;
  for (const frame of frames) {
    bytes.writeUInt32LE(frame.storedBytes, at);
    bytes.writeUInt32LE(frame.rawBytes, at + 4);
    bytes.writeUInt32LE(frame.chunkLengths.length, at + 8);
    bytes.set(frame.digest, at + 12);
    at += FRAME_ENTRY_BYTES;
    for (const length of frame.chunkLengths) lengthAt = bytes.writeUInt32LE(length, lengthAt);
    bytes.set(frame.chunkHashes, hashAt);
    hashAt += frame.chunkHashes.length;
  }
  bytes.writeUInt32LE(size, hashAt);
  NAME.copy(bytes, hashAt + 4);
  return bytes;
}

/**
 * The table out of the whole skippable frame, whose digest has been checked by the caller.
 * @throws StasisError `store.damaged`, `store.newer-format`, `store.older-format`
 */
export function decodeToc(bytes: Buffer): PackToc {
  if (bytes.length < HEADER_BYTES + FOOTER_BYTES || bytes.readUInt32LE(0) !== SKIPPABLE_MAGIC)
    throw malformed();
  if (!bytes.subarray(8, 16).equals(NAME)) throw malformed();
  refuseUnknown('pack', bytes.readUInt16LE(16), bytes.readUInt16LE(18), VERSION);
  const frameCount = bytes.readUInt32LE(20);
  const chunkCount = bytes.readUInt32LE(24);
  const lengthsAt = HEADER_BYTES + frameCount * FRAME_ENTRY_BYTES;
  const hashesAt = lengthsAt + chunkCount * 4;
  const end = hashesAt + chunkCount * HASH_BYTES + FOOTER_BYTES;
  if (end !== bytes.length || bytes.readUInt32LE(4) !== end - 8) throw malformed();
  const frames = new PackFrames();
  const chunkCounts: number[] = [];
  for (let at = HEADER_BYTES; at < lengthsAt; at += FRAME_ENTRY_BYTES) {
    frames.add(
      bytes.readUInt32LE(at + 4),
      bytes.readUInt32LE(at),
      Uint8Array.from(bytes.subarray(at + 12, at + 44)),
    );
    chunkCounts.push(bytes.readUInt32LE(at + 8));
  }
  const chunkLengths = numbersOf(bytes.subarray(lengthsAt, hashesAt));
  if (chunkCounts.reduce((sum, count) => sum + count, 0) !== chunkCount) throw malformed();
  return { frames, chunkCounts, chunkLengths, chunkHashes: bytes.subarray(hashesAt, end - FOOTER_BYTES) };
}

/** Many at once: one after another takes most of the time that a table is read in. */
function numbersOf(bytes: Buffer): Uint32Array {
  const copy = Buffer.alloc(bytes.length);
  bytes.copy(copy);
  if (endianness() === 'BE') copy.swap32();
  return new Uint32Array(copy.buffer, copy.byteOffset, copy.length / 4);
}

/** Refuses what another version of Stasis wrote, or one that encrypts, by name. */
export function refuseUnknown(what: string, version: number, encryption: number, known: number): void {
  refuseOtherFormat(`A ${what} of the snapshot`, version, known);
  if (encryption === 0) return;
  throw new StasisError(
    'store.newer-format',
    `A ${what} of the snapshot has encryption ${encryption}; this Stasis knows none.`,
    { hint: 'Use the version of Stasis that wrote it, or a newer one.' },
  );
}

function malformed(): StasisError {
  return new StasisError('store.damaged', 'The table of contents of a pack is damaged.');
}
