import { z } from 'zod';
import { putBytes, putJson, readJson } from '../../../core/blobs.ts';
import { StasisError } from '../../../core/errors.ts';
import type { FingerprintEntry } from '../../../core/fingerprint.ts';
import type { BlobReader, Blobs } from '../../../core/store.ts';
import type { MemoryContent } from '../content.ts';
import { Portions } from '../portions.ts';
import { MemoryDigest } from './fingerprint.ts';
import { composeMemory, type Frame, PAGE_BYTES, parseMemory, type Run } from './stream.ts';

const keptSchema = z.strictObject({
  head: z.base64(),
  section: z.number(),
  footers: z.boolean(),
  blocks: z.array(z.strictObject({ name: z.string(), sizeBytes: z.number() })),
  /** Pages in the order in which they are stored: block, first page, count. */
  runs: z.array(z.tuple([z.number(), z.number(), z.number()])),
});

/** Takes a migration stream apart on its way into the store: pages aligned, so that equal ones are stored once. */
export async function storeMemory(
  stream: AsyncIterable<Uint8Array>,
  blobs: Blobs,
): Promise<{ content: MemoryContent; sizeBytes: number }> {
  const runs: [number, number, number][] = [];
  const parsed = parseMemory(stream);
  let frame: Frame | undefined;
  async function* stored(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const { value, done } = await parsed.next();
      if (done) {
        frame = value;
        return;
      }
      if (value.data === undefined) continue;
      const last = runs.at(-1);
      if (last !== undefined && last[0] === value.block && last[1] + last[2] === value.page) last[2] += 1;
      else runs.push([value.block, value.page, 1]);
      yield value.data;
    }
  }
  const pages = await blobs.put(stored(), { chunking: 'pages-4k' });
  if (frame === undefined) throw new StasisError('vm.memory-unreadable', 'The saved memory has no end.');
  const { head, tail, section, footers, blocks } = frame;
  const kept = { head: head.toString('base64'), section, footers, blocks, runs };
  const [described, devices] = await Promise.all([putJson(blobs, kept), putBytes(blobs, tail)]);
  return {
    content: { pages, frame: described, devices },
    sizeBytes: blocks.reduce((sum, block) => sum + block.sizeBytes, 0),
  };
}

interface Stored {
  readonly frame: Frame;
  readonly runs: readonly Run[];
}

async function readStored(content: MemoryContent, blobs: BlobReader): Promise<Stored> {
  const { head, section, footers, blocks, runs } = keptSchema.parse(
    await readJson(blobs, content.frame.digest),
  );
  const tail: Uint8Array[] = [];
  for await (const chunk of blobs.get(content.devices.digest)) tail.push(chunk);
  const frame = { head: Buffer.from(head, 'base64'), tail: Buffer.concat(tail), section, footers, blocks };
  return { frame, runs };
}

/** The migration stream again. */
export async function* storedStream(content: MemoryContent, blobs: BlobReader): AsyncGenerator<Uint8Array> {
  const { frame, runs } = await readStored(content, blobs);
  yield* composeMemory(frame, runs, blobs.get(content.pages.digest));
}

export async function fingerprintStored(
  content: MemoryContent,
  blobs: BlobReader,
): Promise<FingerprintEntry[]> {
  const { frame, runs } = await readStored(content, blobs);
  const digest = new MemoryDigest();
  const pages = new Portions(blobs.get(content.pages.digest));
  for (const [block, first, count] of runs)
    for (let page = first; page < first + count; page += 1)
      digest.add({ block, page, data: await pages.take(PAGE_BYTES) });
  await pages.close();
  return digest.entries(frame);
}

/** Of a stream as QEMU has just written it. */
export async function fingerprintStream(stream: AsyncIterable<Uint8Array>): Promise<FingerprintEntry[]> {
  const digest = new MemoryDigest();
  const parsed = parseMemory(stream);
  for (;;) {
    const { value, done } = await parsed.next();
    if (done) return digest.entries(value);
    digest.add(value);
  }
}
