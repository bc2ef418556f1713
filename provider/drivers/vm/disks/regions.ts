import { blobDigest } from '../../../core/blob-digest.ts';
import { once } from '../../../core/content.ts';
import type { Blobs } from '../../../core/store.ts';
import type { NbdClient, Range } from '../nbd/client.ts';
import { type DiskMap, REGION_BYTES, regionLength } from './map.ts';

/** So many regions are on their way into the store at once. */
const PUTS = 4;

export interface CopiedDisk {
  readonly map: DiskMap;
  /** What was asked of the VM's disk. */
  readonly readBytes: number;
}

/** What an earlier capture of the disk is known to have, and where the disk was written since. */
export interface Earlier {
  readonly map: DiskMap;
  readonly dirty: readonly Range[];
}

/**
 * Puts a disk into the store, region by region. With an earlier capture, regions that were not written since are kept
 * without being read, and of the others only what was written is.
 */
export async function copyDisk(
  disk: NbdClient,
  earlier: Earlier | undefined,
  blobs: Blobs,
  signal: AbortSignal,
): Promise<CopiedDisk> {
  const { sizeBytes } = disk.export;
  const ranges = earlier ? earlier.dirty : [{ offset: 0, length: sizeBytes }];
  const stored = new Map<number, DiskMap['regions'][number][1]>();
  const running: Promise<void>[] = [];
  const put = async (region: number, content: Buffer): Promise<void> => {
    if (isZero(content)) return;
    const { digest } = await blobs.put(once(content), { chunking: 'pages-4k' });
    stored.set(region, digest);
  };
  const known = new Map(earlier?.map.regions ?? []);
  const touched = new Set<number>();
  let readBytes = 0;
  for await (const { region, content, bytes } of regionsOf(disk, ranges, signal, async (number) => {
    const before = known.get(number);
    const whole = Buffer.alloc(regionLength(number, sizeBytes));
    let at = 0;
    if (before !== undefined)
      for await (const chunk of blobs.get(before)) {
        whole.set(chunk, at);
        at += chunk.length;
      }
    return whole;
  })) {
    touched.add(region);
    readBytes += bytes;
    const work = put(region, content);
    work.catch(() => {});
    running.push(work);
    if (running.length >= PUTS) await running.shift();
  }
  await Promise.all(running);
  for (const [region, digest] of known) if (!touched.has(region)) stored.set(region, digest);
  return { map: { regions: [...stored].toSorted(([a], [b]) => a - b) }, readBytes };
}

/** The map of a disk as it reads now, by a reading of its own. */
export async function surveyDisk(
  disk: NbdClient,
  ranges: readonly Range[] | undefined,
  signal: AbortSignal,
): Promise<DiskMap> {
  const { sizeBytes } = disk.export;
  const regions: DiskMap['regions'] = [];
  const wanted = ranges ?? [{ offset: 0, length: sizeBytes }];
  const fresh = async (region: number): Promise<Buffer> => Buffer.alloc(regionLength(region, sizeBytes));
  for await (const { region, content } of regionsOf(disk, wanted, signal, fresh))
    if (!isZero(content)) regions.push([region, blobDigest(content)]);
  return { regions };
}

/** Whole regions that any of these ranges touches. */
export function wholeRegions(ranges: readonly Range[], sizeBytes: number): Range[] {
  const touched = new Set<number>();
  for (const { offset, length } of ranges)
    for (let at = Math.floor(offset / REGION_BYTES); at * REGION_BYTES < offset + length; at += 1)
      touched.add(at);
  return [...touched]
    .toSorted((a, b) => a - b)
    .map((region) => ({ offset: region * REGION_BYTES, length: regionLength(region, sizeBytes) }));
}

interface ReadRegion {
  readonly region: number;
  readonly content: Buffer;
  readonly bytes: number;
}

/** The ranges' content by region; what of a region is not read is as `begin` gives it. */
async function* regionsOf(
  disk: NbdClient,
  ranges: readonly Range[],
  signal: AbortSignal,
  begin: (region: number) => Promise<Buffer>,
): AsyncGenerator<ReadRegion> {
  let current: { region: number; content: Buffer; bytes: number } | undefined;
  for await (const { offset, length, data } of disk.read(cutAtRegions(ranges), signal)) {
    const region = Math.floor(offset / REGION_BYTES);
    if (current?.region !== region) {
      if (current) yield current;
      current = { region, content: await begin(region), bytes: 0 };
    }
    const at = offset - region * REGION_BYTES;
    current.bytes += length;
    if (data === undefined) current.content.fill(0, at, at + length);
    else current.content.set(data, at);
  }
  if (current) yield current;
}

function* cutAtRegions(ranges: readonly Range[]): Generator<Range> {
  for (const { offset, length } of ranges)
    for (let at = offset; at < offset + length; ) {
      const end = Math.min(offset + length, (Math.floor(at / REGION_BYTES) + 1) * REGION_BYTES);
      yield { offset: at, length: end - at };
      at = end;
    }
}

const ZEROS = Buffer.alloc(REGION_BYTES);

function isZero(content: Buffer): boolean {
  return content[0] === 0 && ZEROS.subarray(0, content.length).equals(content);
}
