import type { Extent } from '../extents.ts';
import { TAR_BLOCK_BYTES } from '../tar-entry.ts';
import type { Wire } from './wire.ts';

/** A member of an archive, whose data has to be read before the next one's. */
export interface ArchiveMember {
  readonly name: string;
  /** Of the whole file, holes included. */
  readonly sizeBytes: number;
  /** The file, with its holes as zeros that have not come over the wire. */
  data(): AsyncGenerator<Buffer>;
}

/** Where GNU tar's own format has what (tar(5), "GNU tar archives"); a sparse file begins with four of its extents. */
const SIZE_AT = 124;
const TYPE_AT = 156;
const SPARSE = { at: 386, extents: 4, moreAt: 482, realSizeAt: 483 };
/** A block with further extents. */
const MORE = { at: 0, extents: 21, moreAt: 504 };
const EXTENT_BYTES = 24;
const NUMBER_BYTES = 12;
const ZEROS = Buffer.alloc(1024 * 1024);

/**
 * Members of an archive that `tar --create --format=gnu --sparse` prints, up to its end: two blocks of zeros, and what
 * fills the last record of `recordBytes`.
 */
export async function* membersOf(wire: Wire, recordBytes: number): AsyncGenerator<ArchiveMember> {
  let blocks = 0;
  const block = async (): Promise<Buffer> => {
    blocks += 1;
    return wire.take(TAR_BLOCK_BYTES);
  };
  for (;;) {
    const header = await block();
    if (header.every((byte) => byte === 0)) {
      await block();
      break;
    }
    const storedBytes = numberAt(header, SIZE_AT);
    const type = String.fromCharCode(header[TYPE_AT]!);
    if (type !== '0' && type !== 'S') throw new RangeError(`tar has made a member of type ${type}`);
    const sparse = type === 'S' ? await sparseMapOf(header, block) : undefined;
    let isRead = false;
    yield {
      name: header.toString('latin1', 0, Math.max(0, header.indexOf(0))),
      sizeBytes: sparse?.sizeBytes ?? storedBytes,
      async *data() {
        isRead = true;
        if (sparse === undefined) yield* wire.stream(storedBytes);
        else yield* withHoles(wire, sparse);
      },
    };
    if (!isRead) for await (const _ of wire.stream(storedBytes));
    const data = Math.ceil(storedBytes / TAR_BLOCK_BYTES);
    await wire.take(data * TAR_BLOCK_BYTES - storedBytes);
    blocks += data;
  }
  const archiveBytes = blocks * TAR_BLOCK_BYTES;
  await wire.take(Math.ceil(archiveBytes / recordBytes) * recordBytes - archiveBytes);
}

interface SparseMap {
  readonly sizeBytes: number;
  readonly extents: readonly Extent[];
}

async function sparseMapOf(header: Buffer, next: () => Promise<Buffer>): Promise<SparseMap> {
  const extents = extentsIn(header, SPARSE.at, SPARSE.extents);
  let more = header[SPARSE.moreAt] !== 0;
  while (more) {
    const block = await next();
    extents.push(...extentsIn(block, MORE.at, MORE.extents));
    more = block[MORE.moreAt] !== 0;
  }
  return { sizeBytes: numberAt(header, SPARSE.realSizeAt), extents };
}

function extentsIn(block: Buffer, at: number, count: number): Extent[] {
  const extents: Extent[] = [];
  for (let index = 0; index < count; index += 1) {
    const from = at + index * EXTENT_BYTES;
    if (block[from] === 0) break;
    extents.push({
      offsetBytes: numberAt(block, from),
      lengthBytes: numberAt(block, from + NUMBER_BYTES),
    });
  }
  return extents;
}

async function* withHoles(wire: Wire, { sizeBytes, extents }: SparseMap): AsyncGenerator<Buffer> {
  let at = 0;
  for (const { offsetBytes, lengthBytes } of extents) {
    yield* zeros(offsetBytes - at);
    yield* wire.stream(lengthBytes);
    at = offsetBytes + lengthBytes;
  }
  yield* zeros(sizeBytes - at);
}

function* zeros(length: number): Generator<Buffer> {
  for (let left = length; left > 0; left -= ZEROS.length) yield ZEROS.subarray(0, left);
}

/** Octal digits; what is too large for them is binary, with the highest bit set (tar(5)). */
function numberAt(block: Buffer, at: number): number {
  if ((block[at]! & 0x80) === 0) {
    const text = block.toString('latin1', at, at + NUMBER_BYTES).replace(/[\0 ].*$/s, '');
    return Number.parseInt(text, 8);
  }
  return Number(block.readBigUInt64BE(at + NUMBER_BYTES - 8));
}
