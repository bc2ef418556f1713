import { once } from '../../core/content.ts';
import { damaged, Message } from './wire.ts';

/** Where the images of one dump lie: on the host that made them, or in a store. */
export interface Images {
  readonly names: readonly string[];
  read(name: string): AsyncIterable<Uint8Array>;
}

/** Images of which all but the pages are in memory. */
export function imagesOf(
  described: ReadonlyMap<string, Buffer>,
  pages: readonly string[],
  readPages: (name: string) => AsyncIterable<Uint8Array>,
): Images {
  return {
    names: [...described.keys(), ...pages],
    read: (name) => {
      const whole = described.get(name);
      return whole === undefined ? readPages(name) : once(whole);
    },
  };
}

/** Each image but that of pages starts with two magic numbers: of CRIU's images, and of the kind. */
const HEADER_BYTES = 8;
/** Of each entry, before it. */
const LENGTH_BYTES = 4;
const COMMON_MAGIC = 0x54564319;
/** Only descriptions are read whole; what they describe is streamed. */
const WHOLE_BYTES = 256 * 1024 * 1024;

export async function readWhole(images: Images, name: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of images.read(name)) {
    sizeBytes += chunk.length;
    if (sizeBytes > WHOLE_BYTES) throw damaged();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** All entries of an image: each is its length in four bytes, and a message. */
export async function readEntries(images: Images, name: string): Promise<Message[]> {
  const bytes = await readWhole(images, name);
  const entries: Message[] = [];
  for (let at = bodyOf(bytes); at < bytes.length; ) {
    const { entry, next } = entryAt(bytes, at);
    entries.push(entry);
    at = next;
  }
  return entries;
}

/** An image in pieces that can be put together again: what is before its entries, and each with its length. */
export async function splitEntries(
  images: Images,
  name: string,
  until: 'head' | 'end' = 'end',
): Promise<{ head: Buffer; entries: { message: Message; bytes: Buffer }[] }> {
  const bytes = await readWhole(images, name);
  const from = bodyOf(bytes);
  const entries: { message: Message; bytes: Buffer }[] = [];
  for (let at = from; until === 'end' && at < bytes.length; ) {
    const { entry, next } = entryAt(bytes, at);
    entries.push({ message: entry, bytes: bytes.subarray(at, next) });
    at = next;
  }
  return { head: bytes.subarray(0, from), entries };
}

/** An entry as it lies in an image, with what its message is made into. */
export function changedEntry(bytes: Uint8Array, change: (message: Uint8Array) => Uint8Array): Buffer {
  const message = change(bytes.subarray(LENGTH_BYTES));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(message.length);
  return Buffer.concat([length, message]);
}

/** All entries of an image in which each is followed by bytes of its own, as many as it says. */
export async function readParts(
  images: Images,
  name: string,
  sizeOf: (entry: Message) => number,
): Promise<{ entry: Message; content: Buffer }[]> {
  const bytes = await readWhole(images, name);
  const parts: { entry: Message; content: Buffer }[] = [];
  for (let at = bodyOf(bytes); at < bytes.length; ) {
    const { entry, next } = entryAt(bytes, at);
    at = next + sizeOf(entry);
    if (at > bytes.length) throw damaged();
    parts.push({ entry, content: bytes.subarray(next, at) });
  }
  return parts;
}

/** The first entry, and the bytes that follow it. */
export async function readFirst(images: Images, name: string): Promise<{ entry: Message; rest: Buffer }> {
  const bytes = await readWhole(images, name);
  const { entry, next } = entryAt(bytes, bodyOf(bytes));
  return { entry, rest: bytes.subarray(next) };
}

function bodyOf(bytes: Buffer): number {
  if (bytes.length < HEADER_BYTES || bytes.readUInt32LE(0) !== COMMON_MAGIC) throw damaged();
  return HEADER_BYTES;
}

function entryAt(bytes: Buffer, at: number): { entry: Message; next: number } {
  const from = at + LENGTH_BYTES;
  if (from > bytes.length) throw damaged();
  const next = from + bytes.readUInt32LE(at);
  if (next > bytes.length) throw damaged();
  return { entry: new Message(bytes.subarray(from, next)), next };
}
