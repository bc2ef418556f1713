import { hash } from 'node:crypto';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import type { BlobDigest } from '../../core/blob-digest.ts';
import type { Digest } from '../../core/digest.ts';
import { StasisError } from '../../core/errors.ts';
import type { StoreFinding } from '../../core/store.ts';
import type { Sized } from '../pack/pack-writer.ts';
import { isCode } from './durable.ts';
import type { Layout } from './layout.ts';

/** Files of packs that one reader keeps open. */
const MAX_OPEN = 64;

/** @throws StasisError `store.damaged`, with what is wrong in `details.finding` */
export function damaged(
  code: StoreFinding['code'],
  digest: Digest | BlobDigest,
  message: string,
): StasisError {
  return new StasisError('store.damaged', `${message}.`, {
    hint: 'Take another generation, or bring the file back from a copy of the store.',
    details: { finding: code, digest },
  });
}

/**
 * A small blob as a whole, once it is shown to be what its digest says.
 * @throws StasisError `store.damaged`
 */
export async function readBlob(layout: Layout, { digest, sizeBytes }: Sized): Promise<Buffer> {
  let bytes: Buffer;
  try {
    bytes = await readFile(layout.blob(digest));
  } catch (error) {
    if (isCode(error, 'ENOENT')) throw damaged('missing', digest, `The blob ${digest} is missing`);
    throw error;
  }
  if (bytes.length !== sizeBytes)
    throw damaged('wrong-size', digest, `The blob ${digest} has ${bytes.length} bytes and not ${sizeBytes}`);
  if (`sha256:${hash('sha256', bytes, 'hex')}` !== digest)
    throw damaged('damaged', digest, `The blob ${digest} is not what was written`);
  return bytes;
}

interface OpenPack {
  readonly handle: Promise<FileHandle>;
  readers: number;
}

/** Reads parts of packs. Dispose of it to close them. */
export class PackFiles implements AsyncDisposable {
  readonly #layout: Layout;
  readonly #open = new Map<Digest, OpenPack>();

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** Fills `into` from `offset`. @throws StasisError `store.damaged` when the file is missing or too short */
  async read(digest: Digest, offset: number, into: Uint8Array): Promise<void> {
    const pack = this.#pack(digest);
    pack.readers += 1;
    try {
      await readFully(await pack.handle, offset, into, () =>
        damaged('wrong-size', digest, `The pack ${digest} has been cut short`),
      );
    } finally {
      pack.readers -= 1;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const packs = [...this.#open.values()];
    this.#open.clear();
    await Promise.allSettled(packs.map(async ({ handle }) => (await handle).close()));
  }

  #pack(digest: Digest): OpenPack {
    const known = this.#open.get(digest);
    if (known !== undefined) return known;
    this.#closeOne();
    const handle = open(this.#layout.blob(digest), 'r').catch((error: unknown) => {
      this.#open.delete(digest);
      if (isCode(error, 'ENOENT')) throw damaged('missing', digest, `The pack ${digest} is missing`);
      throw error;
    });
    const pack = { handle, readers: 0 };
    this.#open.set(digest, pack);
    return pack;
  }

  /** The one that was opened first and is not being read. */
  #closeOne(): void {
    if (this.#open.size < MAX_OPEN) return;
    for (const [digest, { handle, readers }] of this.#open) {
      if (readers > 0) continue;
      this.#open.delete(digest);
      handle.then((file) => file.close()).catch(() => {});
      return;
    }
  }
}

/** Fills `into` from `offset`; `tooShort` is thrown where the file ends before. */
export async function readFully(
  handle: FileHandle,
  offset: number,
  into: Uint8Array,
  tooShort: () => Error,
): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await handle.read(into, done, into.length - done, offset + done);
    if (bytesRead === 0) throw tooShort();
    done += bytesRead;
  }
}
