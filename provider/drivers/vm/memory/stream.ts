import { StasisError } from '../../../core/errors.ts';
import { Portions } from '../portions.ts';

/**
 * QEMU's migration stream (docs/devel/migration in its sources; migration/savevm.c, migration/ram.c): a head with the
 * machine's configuration, pages of memory in any order, and then the state of all devices.
 */
export const PAGE_BYTES = 4096;
const MAGIC = 0x5145564d;
const VERSION = 3;
const SECTION_START = 0x01;
const SECTION_PART = 0x02;
const SECTION_END = 0x03;
const SUBSECTION = 0x05;
const CONFIGURATION = 0x07;
const FOOTER = 0x7e;
const FLAG_ZERO = 0x02;
const FLAG_SIZES = 0x04;
const FLAG_PAGE = 0x08;
const FLAG_END = 0x10;
const FLAG_SAME_BLOCK = 0x20;
const FLAG_FLUSH = 0x200;
const FLAGS_MASK = 0xfffn;
/** Devices' state is some hundred KB; that of a graphics card may be more. */
const TAIL_BYTES = 256 * 1024 * 1024;
/** Configurations that newer machines add, of a length that is known. */
const SUBSECTION_BYTES: Readonly<Record<string, number>> = {
  'configuration/target-page-bits': 4,
  'configuration/uuid': 16,
};

/** A block of memory as QEMU names it: `pc.ram`, `0000:00:01.0/vga.vram`. */
export interface Block {
  readonly name: string;
  readonly sizeBytes: number;
}

export interface Page {
  readonly block: number;
  /** Its place in the block, in pages. */
  readonly page: number;
  /** Absent where it is full of zeros. */
  readonly data: Buffer | undefined;
}

/** All but the pages: what stands before and after them. */
export interface Frame {
  readonly head: Buffer;
  readonly tail: Buffer;
  readonly blocks: readonly Block[];
  readonly section: number;
  readonly footers: boolean;
}

/** Takes a stream apart: yields its pages as they come, and returns the rest. @throws StasisError `vm.memory-unreadable` */
export async function* parseMemory(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Page, Frame> {
  try {
    return yield* new Parser(stream).parse();
  } catch (error) {
    if (error instanceof StasisError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new StasisError('vm.memory-unreadable', `The saved memory cannot be read: ${why}.`, {
      cause: error,
    });
  }
}

class Parser {
  private readonly source: Portions;
  private readonly head: Buffer[] = [];
  private readonly blocks: Block[] = [];
  private readonly numbers = new Map<string, number>();
  private current = -1;
  private footers = false;

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.source = new Portions(stream);
  }

  async *parse(): AsyncGenerator<Page, Frame> {
    const start = await this.keep(8);
    if (start.readUInt32BE(0) !== MAGIC || start.readUInt32BE(4) !== VERSION)
      throw new Error('it is no migration stream of version 3');
    let kind = await this.configuration();
    if (kind !== SECTION_START) throw new Error(`a section of the kind ${kind} is the first`);
    const section = await this.ramStart();
    kind = await this.firstFooter(section);
    while (kind === SECTION_PART || kind === SECTION_END) {
      const id = (await this.source.take(4)).readUInt32BE(0);
      if (id !== section) throw new Error(`section ${id} is unknown`);
      yield* this.pages();
      kind = await this.footer(section);
    }
    const rest = await this.source.rest(TAIL_BYTES);
    const tail = Buffer.concat([Buffer.of(kind), rest]);
    const { blocks, footers } = this;
    return { head: Buffer.concat(this.head), tail, blocks, section, footers };
  }

  /** Returns the kind of the section that follows. */
  private async configuration(): Promise<number> {
    let kind = (await this.keep(1))[0]!;
    if (kind !== CONFIGURATION) return kind;
    await this.keep((await this.keep(4)).readUInt32BE(0));
    kind = (await this.keep(1))[0]!;
    while (kind === SUBSECTION) {
      const name = await this.keepText();
      const sizeBytes = SUBSECTION_BYTES[name];
      if (sizeBytes === undefined) throw new Error(`"${name}" is not known`);
      await this.keep(4 + sizeBytes);
      kind = (await this.keep(1))[0]!;
    }
    return kind;
  }

  private async ramStart(): Promise<number> {
    const section = (await this.keep(4)).readUInt32BE(0);
    const name = await this.keepText();
    if (name !== 'ram') throw new Error(`"${name}" is saved before the memory`);
    await this.keep(8);
    const sizes = (await this.keep(8)).readBigUInt64BE(0);
    if ((Number(sizes & FLAGS_MASK) & FLAG_SIZES) === 0) throw new Error('it does not list its memory');
    for (let left = Number(sizes & ~FLAGS_MASK); left > 0; ) {
      const block = await this.keepText();
      const sizeBytes = Number((await this.keep(8)).readBigUInt64BE(0));
      this.numbers.set(block, this.blocks.push({ name: block, sizeBytes }) - 1);
      left -= sizeBytes;
    }
    for (;;) {
      const flags = Number((await this.keep(8)).readBigUInt64BE(0));
      if (flags === FLAG_END) return section;
      if (flags !== FLAG_FLUSH) throw new Error(`the mark ${flags} is not known`);
    }
  }

  /**
   * Of the first section, which tells whether sections have footers at all. Returns the kind of the one that follows,
   * which is no part of the head.
   */
  private async firstFooter(section: number): Promise<number> {
    const next = await this.source.take(1);
    this.footers = next[0] === FOOTER;
    if (!this.footers) return next[0]!;
    this.head.push(next, await this.takeFooter(section));
    return (await this.source.take(1))[0]!;
  }

  /** Returns the kind of the section that follows. */
  private async footer(section: number): Promise<number> {
    if (this.footers) {
      if ((await this.source.take(1))[0] !== FOOTER) throw new Error('a section has no end');
      await this.takeFooter(section);
    }
    return (await this.source.take(1))[0]!;
  }

  private async takeFooter(section: number): Promise<Buffer> {
    const id = await this.source.take(4);
    if (id.readUInt32BE(0) !== section) throw new Error('a section has the end of another');
    return id;
  }

  private async *pages(): AsyncGenerator<Page> {
    for (;;) {
      const entry = (this.source.has(8) ? this.source.cut(8) : await this.source.take(8)).readBigUInt64BE(0);
      const flags = Number(entry & FLAGS_MASK);
      if (flags === FLAG_END) return;
      if (flags === FLAG_FLUSH) continue;
      if ((flags & ~(FLAG_ZERO | FLAG_PAGE | FLAG_SAME_BLOCK)) !== 0)
        throw new Error(`pages of the kind ${flags} are not known`);
      if ((flags & FLAG_SAME_BLOCK) === 0) this.current = await this.blockNumber();
      const length = (flags & FLAG_ZERO) !== 0 ? 1 : PAGE_BYTES;
      const data = this.source.has(length) ? this.source.cut(length) : await this.source.take(length);
      const page = Number((entry & ~FLAGS_MASK) / BigInt(PAGE_BYTES));
      if (length === 1 && data[0] !== 0) throw new Error('a page is filled with what is no zero');
      yield { block: this.current, page, data: length === 1 ? undefined : data };
    }
  }

  private async blockNumber(): Promise<number> {
    const length = (await this.source.take(1))[0]!;
    const name = (await this.source.take(length)).toString('latin1');
    const number = this.numbers.get(name);
    if (number === undefined) throw new Error(`the memory "${name}" is not in its list`);
    return number;
  }

  /** Takes what belongs to the head. */
  private async keep(length: number): Promise<Buffer> {
    const bytes = Buffer.from(await this.source.take(length));
    this.head.push(bytes);
    return bytes;
  }

  private async keepText(): Promise<string> {
    return (await this.keep((await this.keep(1))[0]!)).toString('latin1');
  }
}

/** Pages in the order in which they are stored: block, first page, and how many. */
export type Run = readonly [block: number, first: number, count: number];

/**
 * The stream again, of what was taken apart: first which pages are zeros, as what is not named would keep what the new
 * machine has there; then those that were stored.
 */
export async function* composeMemory(
  frame: Frame,
  runs: readonly Run[],
  stored: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield frame.head;
  const part = Buffer.alloc(5);
  part[0] = SECTION_PART;
  part.writeUInt32BE(frame.section, 1);
  yield part;
  yield* zeros(frame.blocks, runs);
  const source = new Portions(stored);
  for (const [block, first, count] of runs)
    for (let page = first; page < first + count; page += 1) {
      yield entryOf(frame.blocks, block, page, FLAG_PAGE, page > first);
      yield await source.take(PAGE_BYTES);
    }
  await source.close();
  const end = Buffer.alloc(8);
  end.writeBigUInt64BE(BigInt(FLAG_END));
  yield end;
  if (frame.footers) {
    const footer = Buffer.alloc(5);
    footer[0] = FOOTER;
    footer.writeUInt32BE(frame.section, 1);
    yield footer;
  }
  yield frame.tail;
}

const ZEROS_A_PIECE = 4096;

function* zeros(blocks: readonly Block[], runs: readonly Run[]): Generator<Uint8Array> {
  for (const [number, { sizeBytes }] of blocks.entries()) {
    const isStored = new Uint8Array(Math.ceil(sizeBytes / PAGE_BYTES));
    for (const [block, first, count] of runs) if (block === number) isStored.fill(1, first, first + count);
    let pieces: Buffer[] = [];
    let continues = false;
    for (const [page, stored] of isStored.entries()) {
      if (stored === 1) continue;
      pieces.push(entryOf(blocks, number, page, FLAG_ZERO, continues), Buffer.of(0));
      continues = true;
      if (pieces.length < ZEROS_A_PIECE) continue;
      yield Buffer.concat(pieces);
      pieces = [];
    }
    if (pieces.length > 0) yield Buffer.concat(pieces);
  }
}

function entryOf(
  blocks: readonly Block[],
  block: number,
  page: number,
  kind: number,
  continues: boolean,
): Buffer {
  const name = continues ? Buffer.alloc(0) : Buffer.from(blocks[block]!.name, 'latin1');
  const entry = Buffer.alloc(8 + (continues ? 0 : 1 + name.length));
  const flags = kind | (continues ? FLAG_SAME_BLOCK : 0);
  entry.writeBigUInt64BE(BigInt(page) * BigInt(PAGE_BYTES) + BigInt(flags));
  if (!continues) {
    entry[8] = name.length;
    name.copy(entry, 9);
  }
  return entry;
}
