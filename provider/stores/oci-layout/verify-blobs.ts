import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { Digest } from '../../core/digest.ts';
import type { StoreFinding } from '../../core/store.ts';
import type { Sized } from '../pack/pack-writer.ts';
import { sizeOf } from './durable.ts';
import type { Layout } from './layout.ts';

const READ_BYTES = 1024 * 1024;

/** `presence` looks at sizes; `content` reads every byte. */
export type Depth = 'presence' | 'content';

/** Looks at blobs, at each one once, however many snapshots share it. */
export class BlobChecks {
  readonly #layout: Layout;
  readonly #depth: Depth;
  readonly #hashed = new Map<Digest, Digest>();

  constructor(layout: Layout, depth: Depth) {
    this.#layout = layout;
    this.#depth = depth;
  }

  /** What is wrong with a blob that these members need. */
  async check({ digest, sizeBytes }: Sized, members: readonly string[]): Promise<StoreFinding[]> {
    const found = await sizeOf(this.#layout.blob(digest));
    if (found === undefined) return [findingOf('missing', digest, `the blob ${digest} is missing`, members)];
    if (found !== sizeBytes) {
      const message = `the blob ${digest} has ${found} bytes and not ${sizeBytes}`;
      return [findingOf('wrong-size', digest, message, members)];
    }
    if (this.#depth === 'presence' || (await this.#hash(digest)) === digest) return [];
    return [findingOf('damaged', digest, `the blob ${digest} is not what was written`, members)];
  }

  async #hash(digest: Digest): Promise<Digest> {
    const known = this.#hashed.get(digest);
    if (known !== undefined) return known;
    const found = await hashFile(this.#layout.blob(digest));
    this.#hashed.set(digest, found);
    return found;
  }
}

async function hashFile(file: string): Promise<Digest> {
  const hash = createHash('sha256');
  const handle = await open(file, 'r');
  try {
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, READ_BYTES);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
  return `sha256:${hash.digest('hex')}`;
}

export function findingOf(
  code: StoreFinding['code'],
  digest: Digest | undefined,
  message: string,
  members: readonly string[] = [],
): StoreFinding {
  return { code, digest, members, message };
}
