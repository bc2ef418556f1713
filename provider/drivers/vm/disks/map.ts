import { z } from 'zod';
import { type BlobDigest, isBlobDigest } from '../../../core/blob-digest.ts';
import { readJson } from '../../../core/blobs.ts';
import type { FingerprintEntry } from '../../../core/fingerprint.ts';
import type { BlobReader } from '../../../core/store.ts';

/** A disk is stored in blobs of this size, one a region that is not all zeros. */
export const REGION_BYTES = 4 * 1024 * 1024;

const digest = z.custom<BlobDigest>(isBlobDigest);

/** Which region has which content, in order; those that are all zeros are left out. */
const mapSchema = z.strictObject({ regions: z.array(z.tuple([z.number(), digest])) });
export type DiskMap = z.infer<typeof mapSchema>;

export async function readMap(blobs: BlobReader, map: BlobDigest): Promise<DiskMap> {
  return mapSchema.parse(await readJson(blobs, map));
}

/** A region's digest is that of its content, so a map is its disk's fingerprint. */
export function entriesOf(disk: string, { regions }: DiskMap, sizeBytes: number): FingerprintEntry[] {
  return [
    { object: `disk/${disk}`, digest: String(sizeBytes), facts: { bytes: sizeBytes } },
    ...regions.map(([region, digest]) => ({
      object: `disk/${disk}/${(region * REGION_BYTES).toString(16).padStart(12, '0')}`,
      digest,
    })),
  ];
}

export function regionLength(region: number, sizeBytes: number): number {
  return Math.min(REGION_BYTES, sizeBytes - region * REGION_BYTES);
}
