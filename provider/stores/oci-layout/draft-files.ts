import { hash } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../../core/digest.ts';
import type { PackOutput, PackSink, Sized } from '../pack/pack-writer.ts';
import { readFully } from './blob-files.ts';
import { linkNew, syncFolder, writeAll } from './durable.ts';
import type { Layout } from './layout.ts';

/** The files of one draft, in its own folder until it is sealed: nobody else looks at them, and a sweep finds them. */
export class DraftFiles implements PackSink {
  readonly folder: string;
  readonly #layout: Layout;
  /** What is complete and synced, and not published yet. */
  readonly #written = new Set<Digest>();
  #packs = 0;

  constructor(layout: Layout, token: string) {
    this.#layout = layout;
    this.folder = join(layout.drafts, token);
  }

  async make(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
  }

  async create(): Promise<PackOutput> {
    this.#packs += 1;
    const file = join(this.folder, `pack-${this.#packs}`);
    const handle = await open(file, 'wx+');
    return new PackFile(handle, async (digest) => {
      const named = this.#file(digest);
      await rename(file, named);
      this.#written.add(digest);
    });
  }

  /** A blob that is written as a whole. */
  async write(bytes: Uint8Array): Promise<Sized> {
    const digest: Digest = `sha256:${hash('sha256', bytes, 'hex')}`;
    const handle = await open(this.#file(digest), 'w');
    try {
      await writeAll(handle, [bytes]);
      await handle.datasync();
    } finally {
      await handle.close();
    }
    this.#written.add(digest);
    return { digest, sizeBytes: bytes.length };
  }

  /**
   * Puts these blobs where all of the store's are; durable on return. One that is there already is replaced by the
   * same content, which repairs it if it was damaged. Until the draft is removed its own names of them stay: should
   * we die before the index lists them, they tell a sweep what it may remove at once.
   */
  async publish(digests: Iterable<Digest>): Promise<void> {
    for (const digest of digests) {
      if (!this.#written.delete(digest)) continue;
      const file = this.#file(digest);
      const blob = this.#layout.blob(digest);
      if (!(await linkNew(file, blob))) await rename(file, blob);
    }
    await syncFolder(this.#layout.blobs);
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  #file(digest: Digest): string {
    return join(this.folder, digest.slice('sha256:'.length));
  }
}

class PackFile implements PackOutput {
  readonly #handle: FileHandle;
  readonly #finished: (digest: Digest) => Promise<void>;

  constructor(handle: FileHandle, finished: (digest: Digest) => Promise<void>) {
    this.#handle = handle;
    this.#finished = finished;
  }

  write(parts: readonly Uint8Array[]): Promise<void> {
    return writeAll(this.#handle, parts);
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return readFully(this.#handle, offset, into, () => new Error('a pack is shorter than what was written'));
  }

  async finish({ digest }: Sized): Promise<void> {
    await this.#handle.datasync();
    await this.#finished(digest);
  }

  async discard(): Promise<void> {
    await this.#handle.close();
  }
}
