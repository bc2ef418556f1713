import type { BlobDigest } from '../../../provider/core/blob-digest.ts';
import type { Digest } from '../../../provider/core/digest.ts';
import { FORMAT_VERSION, type MemberCapture } from '../../../provider/core/manifest.ts';
import type {
  BlobDescriptor,
  BlobReader,
  Blobs,
  ByteRange,
  Chunking,
  Draft,
  SealedSnapshot,
  SealInput,
  Store,
} from '../../../provider/core/store.ts';
import { testContext } from '../../support/context.ts';

export const MB = 1_000_000;
export const OWNER = 'resource:shop';

/** Numbers in [0, 1) that a seed gives, so that a failure can be repeated. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Something like what drivers put: runs of zeros, of text, and of noise. */
export function sampleBytes(seed: number, length: number): Buffer {
  const random = randomOf(seed);
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    const part = bytes.subarray(at, at + 1 + Math.floor(random() * 60_000));
    const kind = random();
    if (kind > 0.7) noise(part, random() * 2 ** 32);
    else if (kind > 0.2) part.fill(`row ${Math.floor(random() * 1e9)} paid\n`);
    at += part.length;
  }
  return bytes;
}

function noise(part: Buffer, seed: number): void {
  let state = seed | 1;
  for (let at = 0; at < part.length; at += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    part[at] = state >>> 24;
  }
}

export async function* pieces(bytes: Uint8Array, size = 100_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export async function readAll(blobs: BlobReader, digest: BlobDigest, range?: ByteRange): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const piece of blobs.get(digest, range)) parts.push(piece);
  return Buffer.concat(parts);
}

export function put(
  blobs: Blobs,
  bytes: Uint8Array,
  chunking: Chunking = 'content',
): Promise<BlobDescriptor> {
  return blobs.put(pieces(bytes), { chunking });
}

function memberCapture(fingerprint: BlobDescriptor): MemberCapture {
  return {
    driver: 'sample',
    endpoint: 'sample://here',
    fidelity: 'identical',
    contentVersion: 1,
    content: { blob: fingerprint.digest },
    sizeBytes: fingerprint.sizeBytes,
    summary: 'a sample',
    coverage: { layers: ['data'], outside: [] },
    system: { product: 'Sample', version: '1' },
    fingerprint: { ...fingerprint, entries: 1 },
  };
}

/** A manifest for members whose content, and fingerprint, is the blob given. */
export function manifestOf(
  name: string,
  members: Readonly<Record<string, BlobDescriptor>>,
  formatVersion = FORMAT_VERSION,
): SealInput['manifest'] {
  const captures = Object.entries(members).map(([member, blob]) => [member, memberCapture(blob)] as const);
  return {
    formatVersion,
    name,
    cutAt: new Date().toISOString(),
    sharp: true,
    blurMs: 0,
    pauseMs: 1,
    certificate: { formatVersion: 1, startedAt: new Date().toISOString(), members: {}, pauses: [] },
    members: Object.fromEntries(captures),
    sizeBytes: captures.reduce((sum, [, capture]) => sum + capture.sizeBytes, 0),
    createdBy: 'the conformance suite',
  };
}

/** Puts one blob a member and seals. */
export async function captureInto(
  store: Store,
  name: string,
  members: Readonly<Record<string, Uint8Array>>,
  owner = OWNER,
): Promise<SealedSnapshot> {
  await using draft = await store.begin(name, owner, testContext());
  return await fillAndSeal(draft, name, members);
}

export async function fillAndSeal(
  draft: Draft,
  name: string,
  members: Readonly<Record<string, Uint8Array>>,
): Promise<SealedSnapshot> {
  const blobs: Record<string, BlobDescriptor> = {};
  for (const [member, bytes] of Object.entries(members))
    blobs[member] = await put(draft.blobs(member), bytes, 'pages-4k');
  return draft.seal({ manifest: manifestOf(name, blobs) });
}

/** Reads every member's blob of a snapshot made by `captureInto`. */
export async function readMembers(
  store: Store,
  name: string,
  digest: Digest,
): Promise<Record<string, Buffer>> {
  const snapshot = await store.open(name, digest, testContext());
  const contents: Record<string, Buffer> = {};
  for (const [member, capture] of Object.entries(snapshot.manifest.members))
    contents[member] = await readAll(snapshot.blobs(member), capture.fingerprint.digest);
  return contents;
}
