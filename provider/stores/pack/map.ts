/**
 * A member's map: which blobs it has, and where their content lies. 20 bytes of head, little-endian:
 *
 *     8 bytes "stasisMP"   u16 version   u16 encryption (0: none)   u64 length of the body
 *
 * then the body as one zstd frame. In it, numbers as in bytes.ts: the member's name (length, UTF-8); the packs
 * (count, then 32 bytes of SHA-256 each); the blobs (count, then for each: the 32 bytes of its digest, size,
 * chunking, extents). An extent is its length, its pack plus 1 (0 for zeros), and how far its offset in the pack's raw content
 * is from the end of the extent before in the same pack.
 */
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { type BlobDigest, blobDigestBytes, blobDigestOf } from '../../core/blob-digest.ts';
import type { Digest } from '../../core/digest.ts';
import { StasisError } from '../../core/errors.ts';
import type { Chunking } from '../../core/store.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { CHUNKING_CODES } from './chunking.ts';
import { Extents, ZERO_PACK } from './extents.ts';
import { refuseUnknown } from './toc.ts';

const NAME = Buffer.from('stasisMP', 'latin1');
/** 1 had digests of blobs that were, or were called, SHA-256. */
const VERSION = 2;
const HEAD_BYTES = 20;

export interface MappedBlob {
  readonly digest: BlobDigest;
  readonly chunking: Chunking;
  /** Their packs are places in the map's list of packs. */
  readonly extents: Extents;
}

export interface MemberMap {
  readonly member: string;
  readonly packs: readonly Digest[];
  readonly blobs: readonly MappedBlob[];
}

export function encodeMap(map: MemberMap): Buffer {
  const body = new ByteWriter();
  const member = Buffer.from(map.member, 'utf8');
  body.number(member.length);
  body.raw(member);
  body.number(map.packs.length);
  for (const pack of map.packs) body.raw(digestBytes(pack));
  body.number(map.blobs.length);
  for (const blob of map.blobs) writeBlob(body, blob, map.packs.length);
  const raw = body.finish();
  const head = Buffer.alloc(HEAD_BYTES);
  NAME.copy(head);
  head.writeUInt16LE(VERSION, 8);
  head.writeUInt16LE(0, 10);
  head.writeBigUInt64LE(BigInt(raw.length), 12);
  const params = { [constants.ZSTD_c_compressionLevel]: 3 };
  return Buffer.concat([head, zstdCompressSync(raw, { params, pledgedSrcSize: raw.length })]);
}

/** @throws StasisError `store.damaged`, `store.newer-format`, `store.older-format` */
export function decodeMap(bytes: Buffer): MemberMap {
  if (bytes.length < HEAD_BYTES || !bytes.subarray(0, 8).equals(NAME)) throw malformed();
  refuseUnknown('map', bytes.readUInt16LE(8), bytes.readUInt16LE(10), VERSION);
  try {
    const rawBytes = Number(bytes.readBigUInt64LE(12));
    const raw = zstdDecompressSync(bytes.subarray(HEAD_BYTES), { maxOutputLength: rawBytes + 64 });
    if (raw.length !== rawBytes) throw new RangeError('the body has another length');
    return readBody(new ByteReader(raw));
  } catch (error) {
    throw malformed(error);
  }
}

function writeBlob(body: ByteWriter, blob: MappedBlob, packCount: number): void {
  const { extents } = blob;
  body.raw(blobDigestBytes(blob.digest));
  body.number(extents.sizeBytes);
  body.number(CHUNKING_CODES[blob.chunking]);
  body.number(extents.count);
  const ends = new Float64Array(packCount);
  for (let extent = 0; extent < extents.count; extent += 1) {
    const pack = extents.pack(extent);
    body.number(extents.length(extent));
    body.number(pack + 1);
    if (pack === ZERO_PACK) continue;
    body.signed(extents.offset(extent) - ends[pack]!);
    ends[pack] = extents.offset(extent) + extents.length(extent);
  }
}

function readBody(body: ByteReader): MemberMap {
  const member = Buffer.from(body.raw(body.number())).toString('utf8');
  const packs = Array.from({ length: count(body.number()) }, () => digestOf(body.raw(32)));
  const blobs = Array.from({ length: count(body.number()) }, () => readBlob(body, packs.length));
  if (!body.ended) throw new RangeError('something follows the last blob');
  return { member, packs, blobs };
}

function readBlob(body: ByteReader, packCount: number): MappedBlob {
  const digest = blobDigestOf(body.raw(32));
  const sizeBytes = body.number();
  const code = body.number();
  const chunking = Object.entries(CHUNKING_CODES).find(([, known]) => known === code)?.[0];
  if (chunking === undefined) throw new RangeError(`chunking ${code} is unknown`);
  const extents = new Extents();
  const ends = new Float64Array(packCount);
  for (let left = count(body.number()); left > 0; left -= 1) {
    const length = body.number();
    const pack = body.number() - 1;
    if (pack >= packCount) throw new RangeError('an extent lies in no pack');
    const offset = pack === ZERO_PACK ? 0 : ends[pack]! + body.signed();
    if (pack !== ZERO_PACK) ends[pack] = offset + length;
    extents.add(length, pack, offset);
  }
  if (extents.sizeBytes !== sizeBytes) throw new RangeError('the extents do not fill the blob');
  return { digest, chunking: chunking as Chunking, extents };
}

/** A count that no file of ours reaches would only make an array of no use. */
function count(value: number): number {
  if (value > 0xffff_ffff) throw new RangeError(`a count of ${value}`);
  return value;
}

function digestBytes(digest: Digest): Buffer {
  return Buffer.from(digest.slice('sha256:'.length), 'hex');
}

function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${Buffer.from(bytes).toString('hex')}`;
}

function malformed(cause?: unknown): StasisError {
  return new StasisError('store.damaged', 'The map of a member is damaged.', { cause });
}
