import { type Attribute, sameAttributes } from './attributes.ts';
import type { Body, BodyReader } from './bodies.ts';
import { type Entry, inodeOf, signatureOf } from './entry.ts';

/** What is read within one look, so that files that change all the time are caught at the cut. */
const HOT_BYTES = 32 * 1024 * 1024;
const HOT_ENTRIES = 4_000;

/** A body whose content was read within a look; its attributes may still have to be read. */
interface Known {
  readonly entry: Entry;
  readonly content?: Body['content'];
  readonly attributes?: readonly Attribute[];
}

/** The bodies that one capture has read so far, by inode, each true of its entry's signature. */
export class KnownBodies {
  private readonly known = new Map<string, Known>();
  /** Attributes as they were last read, whatever the inode has become since. */
  private readonly lastAttributes = new Map<string, readonly Attribute[]>();

  remember(bodies: ReadonlyMap<string, Body>): void {
    for (const [inode, body] of bodies) {
      this.known.set(inode, body);
      this.lastAttributes.set(inode, body.attributes);
    }
  }

  forget(entries: readonly Entry[]): void {
    for (const entry of entries) this.known.delete(inodeOf(entry));
  }

  clear(): void {
    this.known.clear();
    this.lastAttributes.clear();
  }

  bodyOf(entry: Entry): Body | undefined {
    const known = this.knownOf(entry);
    return known?.attributes && { ...known, attributes: known.attributes };
  }

  private knownOf(entry: Entry): Known | undefined {
    const known = this.known.get(inodeOf(entry));
    return known && signatureOf(known.entry) === signatureOf(entry) ? known : undefined;
  }

  /** One entry of each inode of which nothing is known. */
  unknownOf(entries: readonly Entry[]): Entry[] {
    return this.firstsOf(entries, (known) => known === undefined);
  }

  /** One entry of each inode whose content is known, and not yet in the store. */
  inMemoryOf(entries: readonly Entry[]): Entry[] {
    return this.firstsOf(entries, (known) => Buffer.isBuffer(known?.content));
  }

  private firstsOf(entries: readonly Entry[], wanted: (known: Known | undefined) => boolean): Entry[] {
    const firsts = new Map<string, Entry>();
    for (const entry of entries)
      if (!firsts.has(inodeOf(entry)) && wanted(this.knownOf(entry))) firsts.set(inodeOf(entry), entry);
    return [...firsts.values()];
  }

  /**
   * Reads what is in files of which nothing is known, as long as it is little, at once: a look has just shown them at
   * rest. Their attributes take a program to be read, which must not keep a cut waiting.
   */
  async readHot(entries: readonly Entry[], reader: BodyReader, signal: AbortSignal): Promise<void> {
    const seen = new Set(entries.map(inodeOf));
    for (const inode of this.known.keys()) if (!seen.has(inode)) this.known.delete(inode);
    let roomBytes = HOT_BYTES - this.bytesInMemory();
    const wanted: Entry[] = [];
    for (const entry of this.unknownOf(entries).slice(0, HOT_ENTRIES)) {
      if (entry.sizeBytes > roomBytes) continue;
      roomBytes -= entry.sizeBytes;
      if (entry.sizeBytes > 0) wanted.push(entry);
      else this.known.set(inodeOf(entry), { entry, content: undefined });
    }
    let index = 0;
    for await (const content of reader.readNow(wanted, signal)) {
      const entry = wanted[index]!;
      index += 1;
      if (content !== undefined) this.known.set(inodeOf(entry), { entry, content });
    }
  }

  private bytesInMemory(): number {
    let sizeBytes = 0;
    for (const { content } of this.known.values()) if (Buffer.isBuffer(content)) sizeBytes += content.length;
    return sizeBytes;
  }

  /** Attributes as they are now of what changes all the time: if they are the same after a cut, they were at it. */
  async noteAttributes(entries: readonly Entry[], reader: BodyReader, signal: AbortSignal): Promise<void> {
    for (const [inode, { attributes }] of await reader.attributesNow(entries, signal))
      this.lastAttributes.set(inode, attributes);
  }

  /**
   * Reads the attributes that are still missing. They are those of the look where the entry is as it was then; where
   * it changed again, where they were the same before the look. Returns what can be told of neither way.
   */
  async readMissingAttributes(
    entries: readonly Entry[],
    reader: BodyReader,
    signal: AbortSignal,
  ): Promise<Entry[]> {
    const open = this.firstsOf(entries, (known) => known !== undefined && known.attributes === undefined);
    const now = await reader.attributesNow(open, signal);
    return open.filter((entry) => {
      const inode = inodeOf(entry);
      const read = now.get(inode);
      const before = this.lastAttributes.get(inode);
      if (read === undefined) return true;
      this.lastAttributes.set(inode, read.attributes);
      if (!read.isUnchanged && !(before && sameAttributes(before, read.attributes))) return true;
      this.known.set(inode, { ...this.known.get(inode)!, attributes: read.attributes });
      return false;
    });
  }
}
