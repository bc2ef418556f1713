import { createHash, type Hash } from 'node:crypto';
import type { FingerprintEntry } from '../../core/fingerprint.ts';
import { digestOf } from '../../core/fingerprint-digest.ts';
import { type Images, readEntries } from './image.ts';
import { damaged, type Message } from './wire.ts';

const PAGE_BYTES = 4096;
const ZERO_PAGE = Buffer.alloc(PAGE_BYTES);
/** Of a page-map entry: the pages lie in this dump (and not in a parent's). */
const PRESENT = 4;
/** Of a mapping's status (CRIU's VMA_AREA_*): the kernel's own pages, which differ from boot to boot. */
const KERNEL_OWN = (1 << 2) | (1 << 3) | (1 << 12) | (1 << 17);
/** A range within a mapping that must not be touched (MADV_GUARD_INSTALL). */
const GUARD = 1 << 16;
const FILE_PRIVATE = 1 << 6;
const FILE = FILE_PRIVATE | (1 << 7);
const ANONYMOUS_PRIVATE = 1 << 9;

/** One mapping, with what its pages hold. */
interface Mapping {
  readonly start: bigint;
  end: bigint;
  readonly entry: Message;
  readonly file: string;
  readonly content: Hash;
  readonly doubtful: DoubtfulPage[];
  pages: number;
}

/**
 * A page that a process has of its own of a file that it has mapped for itself, and its parent has not. It may hold
 * what the file holds: such a page is dumped where it was copied, and not where it was inherited.
 */
export interface DoubtfulPage {
  readonly path: string;
  readonly offsetBytes: bigint;
  readonly content: Uint8Array;
}

/** Which of these pages hold what is in their files. */
export type OfFile = (pages: readonly DoubtfulPage[]) => Promise<ReadonlySet<DoubtfulPage>>;

export interface MemoryOf {
  readonly pid: number;
  /** Absent of the root. */
  readonly parent: number | undefined;
  readonly fileOf: (id: number) => string;
  readonly kernelWrites: readonly Area[];
  readonly ofFile: OfFile;
}

/**
 * Every mapping of one process: where it is, what it may do, what file it shows, and its pages. Noise, left out: a
 * page full of zeros is the same as one that was never touched; the kernel's own mappings (vdso, vvar, vsyscall); what
 * it writes into the processes' own, which are `kernelWrites`; where one mapping ends and the next goes on with the
 * same, which depends on how they came about.
 */
export async function fingerprintMemory(images: Images, of: MemoryOf): Promise<FingerprintEntry[]> {
  const { pid, parent, kernelWrites, ofFile } = of;
  const [mm] = await readEntries(images, `mm-${pid}.img`);
  const areas = (mm?.messages(14) ?? []).filter((area) => (area.number(7) & KERNEL_OWN) === 0);
  const mappings = mappingsOf(
    areas.filter((area) => (area.number(7) & GUARD) === 0),
    of.fileOf,
  );
  const guards = areas.filter((area) => (area.number(7) & GUARD) !== 0);
  const inherited = parent === undefined ? undefined : await dumpedRuns(images, parent);
  await hashPages(images, `pagemap-${pid}.img`, (address, page) => {
    const mapping = mappingAt(mappings, address);
    if (mapping === undefined) return;
    const kept = blanked(address, page, kernelWrites);
    if (inherited && isPrivateFile(mapping.entry) && !isIn(inherited, address)) {
      const offsetBytes = mapping.entry.big(3) + (address - mapping.start);
      mapping.doubtful.push({ path: mapping.file, offsetBytes, content: Uint8Array.from(kept) });
      return;
    }
    if (ZERO_PAGE.equals(kept)) return;
    mapping.pages += 1;
    mapping.content.update(`${(address - mapping.start).toString(16)}:`).update(kept);
  });
  const untouched = await ofFile(mappings.flatMap(({ doubtful }) => doubtful));
  for (const mapping of mappings)
    for (const page of mapping.doubtful.filter((one) => !untouched.has(one))) {
      mapping.pages += 1;
      mapping.content.update(`own ${page.offsetBytes.toString(16)}:`).update(page.content);
    }
  return [...mappings.map((mapping) => entryOf(pid, mapping)), ...guards.map((area) => guardOf(pid, area))];
}

function isPrivateFile(entry: Message): boolean {
  return (entry.number(7) & FILE_PRIVATE) !== 0;
}

/** From where to where this process has pages in the dump. */
async function dumpedRuns(images: Images, pid: number): Promise<[bigint, bigint][]> {
  const name = `pagemap-${pid}.img`;
  if (!images.names.includes(name)) return [];
  const [, ...runs] = await readEntries(images, name);
  return runs.map((run) => [run.big(1), run.big(1) + BigInt(countOf(run) * PAGE_BYTES)]);
}

function isIn(runs: readonly (readonly [bigint, bigint])[], address: bigint): boolean {
  return runs.some(([from, to]) => address >= from && address < to);
}

function guardOf(pid: number, area: Message): FingerprintEntry {
  const bytes = Number(area.big(2) - area.big(1));
  return {
    object: `process/${pid}/guard/${addressOf(area.big(1))}`,
    digest: digestOf(bytes),
    facts: { bytes },
  };
}

function addressOf(address: bigint): string {
  return address.toString(16).padStart(16, '0');
}

/** Of a file mapping the fourth field is the number of the open file in the dump, and of shared memory the segment's. */
function mappingsOf(areas: readonly Message[], fileOf: (id: number) => string): Mapping[] {
  const mappings: Mapping[] = [];
  for (const entry of areas) {
    const file = (entry.number(7) & FILE) === 0 ? '' : fileOf(entry.number(4));
    const last = mappings.at(-1);
    if (last && goesOn(last, entry, file)) last.end = entry.big(2);
    else
      mappings.push({
        ...{ start: entry.big(1), end: entry.big(2), entry, file },
        ...{ content: createHash('sha256'), doubtful: [], pages: 0 },
      });
  }
  return mappings;
}

/** Fields: what may be done with it (5), its flags (6), its kind (7) and what it was advised (9). */
function goesOn({ end, start, entry, file }: Mapping, next: Message, nextFile: string): boolean {
  if (next.big(1) !== end || file !== nextFile) return false;
  if ([5, 6, 7, 9].some((field) => entry.big(field) !== next.big(field))) return false;
  if ((entry.number(7) & ANONYMOUS_PRIVATE) !== 0) return true;
  const isSame = (entry.number(7) & FILE) !== 0 || entry.big(4) === next.big(4);
  return isSame && next.big(3) === entry.big(3) + (end - start);
}

function entryOf(pid: number, { start, end, entry, file, content, pages }: Mapping): FingerprintEntry {
  const isFile = (entry.number(7) & FILE) !== 0;
  const digest = digestOf(
    end - start,
    entry.number(5),
    entry.number(6),
    isFile ? entry.big(3) : 0n,
    file,
    content.digest('hex'),
  );
  return {
    object: `process/${pid}/memory/${addressOf(start)}`,
    digest,
    facts: { bytes: Number(end - start), pages, ...(file === '' ? {} : { file }) },
  };
}

/** A range of a process's memory. */
export interface Area {
  readonly address: bigint;
  readonly sizeBytes: number;
}

/** The page with these ranges full of zeros. */
function blanked(address: bigint, page: Uint8Array, areas: readonly Area[]): Uint8Array {
  let copy: Buffer | undefined;
  for (const area of areas) {
    const from = Number(area.address - address);
    if (from >= PAGE_BYTES || from + area.sizeBytes <= 0) continue;
    copy ??= Buffer.from(page);
    copy.fill(0, Math.max(0, from), Math.min(PAGE_BYTES, from + area.sizeBytes));
  }
  return copy ?? page;
}

/** Segments of shared memory, each once however many processes map it. */
export async function fingerprintShared(images: Images): Promise<FingerprintEntry[]> {
  const names = images.names.filter((name) => /^pagemap-shmem-\d+\.img$/.test(name));
  const contents = await Promise.all(
    names.map(async (name) => {
      const content = createHash('sha256');
      let pages = 0;
      await hashPages(images, name, (address, page) => {
        pages += 1;
        content.update(`${address.toString(16)}:`).update(page);
      });
      return { digest: content.digest('hex'), pages };
    }),
  );
  // Their numbers are inodes of the host that they lived on: what they hold tells them apart.
  return contents
    .toSorted((a, b) => (a.digest < b.digest ? -1 : 1))
    .map(({ digest, pages }, index) => ({ object: `shared/${index}`, digest, facts: { pages } }));
}

/** Calls with each page that is not full of zeros, in the order of addresses. */
async function hashPages(
  images: Images,
  name: string,
  found: (address: bigint, page: Uint8Array) => void,
): Promise<void> {
  if (!images.names.includes(name)) return;
  const [head, ...runs] = await readEntries(images, name);
  if (head === undefined) throw damaged();
  const present = runs.filter((run) => (run.has(4) ? (run.number(4) & PRESENT) !== 0 : run.number(3) === 0));
  if (present.length === 0) return;
  const pages = pagesOf(images.read(`pages-${head.number(1)}.img`));
  for (const run of present)
    for (let index = 0; index < countOf(run); index += 1) {
      const { value, done } = await pages.next();
      if (done) throw damaged();
      if (!ZERO_PAGE.equals(value)) found(run.big(1) + BigInt(index * PAGE_BYTES), value);
    }
}

/** Newer images count pages in 64 bits, in a field of their own. */
function countOf(run: Message): number {
  return run.has(5) ? run.number(5) : run.number(2);
}

async function* pagesOf(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, undefined> {
  let rest: Uint8Array = new Uint8Array();
  for await (const chunk of content) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    for (; at + PAGE_BYTES <= bytes.length; at += PAGE_BYTES) yield bytes.subarray(at, at + PAGE_BYTES);
    rest = bytes.subarray(at);
  }
  return undefined;
}

function mappingAt(mappings: readonly Mapping[], address: bigint): Mapping | undefined {
  let [low, high] = [0, mappings.length - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    const mapping = mappings[middle]!;
    if (address < mapping.start) high = middle - 1;
    else if (address >= mapping.end) low = middle + 1;
    else return mapping;
  }
  return undefined;
}
