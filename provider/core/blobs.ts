import { type BlobDigest, BlobDigester } from './blob-digest.ts';
import { StasisError } from './errors.ts';
import type { BlobDescriptor, BlobReader, Blobs } from './store.ts';

/** Small content that is in memory already. */
export function putBytes(blobs: Blobs, bytes: Uint8Array): Promise<BlobDescriptor> {
  async function* once(): AsyncGenerator<Uint8Array> {
    yield bytes;
  }
  return blobs.put(once(), { chunking: 'content' });
}

export function putJson(blobs: Blobs, value: unknown): Promise<BlobDescriptor> {
  return putBytes(blobs, Buffer.from(JSON.stringify(value)));
}

/** Of content that `putJson` wrote; hashed again. */
export async function readJson(blobs: BlobReader, wanted: BlobDigest): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of hashedAgain(blobs, wanted)) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}

/**
 * A blob whose content is executed, or not all of which the fingerprint shows: it is hashed again, whatever the store
 * has done. Ends in `store.damaged` when it is another one: only at its end is it known to be right.
 */
export async function* hashedAgain(blobs: BlobReader, wanted: BlobDigest): AsyncGenerator<Uint8Array> {
  const digester = new BlobDigester();
  for await (const chunk of blobs.get(wanted)) {
    digester.update(chunk);
    yield chunk;
  }
  if (digester.digest() !== wanted)
    throw new StasisError('store.damaged', `The blob ${wanted} has another content than its name says.`, {
      hint: 'Restore another generation.',
    });
}
