import { padding } from './tar-entry.ts';

/** A part of a file that is not a hole. */
export interface Extent {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** Holes are found by this much: what nearly all file systems allocate at least. */
const PAGE_BYTES = 4096;
const ZERO_PAGE = Buffer.alloc(PAGE_BYTES);

/** The runs of pages that are not all zero. */
export async function findExtents(content: AsyncIterable<Uint8Array>): Promise<Extent[]> {
  const extents: Extent[] = [];
  let at = 0;
  for await (const page of pagesOf(content)) {
    if (!isZero(page)) {
      const last = extents.at(-1);
      if (last && last.offsetBytes + last.lengthBytes === at)
        extents[extents.length - 1] = { ...last, lengthBytes: last.lengthBytes + page.length };
      else extents.push({ offsetBytes: at, lengthBytes: page.length });
    }
    at += page.length;
  }
  return extents;
}

/** Pages of content that comes in chunks of any size; the last may be short. */
async function* pagesOf(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = new Uint8Array(0);
  for await (const chunk of content) {
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (; bytes.length >= PAGE_BYTES; bytes = bytes.subarray(PAGE_BYTES))
      yield bytes.subarray(0, PAGE_BYTES);
    rest = Uint8Array.from(bytes);
  }
  if (rest.length > 0) yield rest;
}

function isZero(page: Uint8Array): boolean {
  return ZERO_PAGE.compare(page, 0, page.length, 0, page.length) === 0;
}

/**
 * What GNU tar's sparse format 1.0 puts before the content: how many extents, then offset and length of each, in
 * decimal lines, padded to whole blocks. A file that ends in a hole has an empty extent at its end.
 */
export function sparseMap(extents: readonly Extent[], sizeBytes: number): Buffer {
  const last = extents.at(-1);
  const ended = last !== undefined && last.offsetBytes + last.lengthBytes === sizeBytes;
  const all = ended ? extents : [...extents, { offsetBytes: sizeBytes, lengthBytes: 0 }];
  const lines = all.map(({ offsetBytes, lengthBytes }) => `${offsetBytes}\n${lengthBytes}\n`);
  const map = Buffer.from(`${all.length}\n${lines.join('')}`);
  return Buffer.concat([map, padding(map.length)]);
}
