import { randomUUID } from 'node:crypto';
import { type FileHandle, open, statfs, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Kept in memory at most, before chunks go to a file. */
const MEMORY_BYTES = 16 * 1024 * 1024;
const READ_BYTES = 1024 * 1024;
/** The share of the free space that a spool may take. */
const SHARE_OF_FREE = 0.5;

/**
 * A queue of bytes between the server, which must be drained quickly, and the store, which may be slow. What does not
 * fit in memory goes to a file that has no name any more once it is open: it is gone when we are, however we end.
 * When the disk has no room either, the writer has to wait.
 */
export class Spool implements AsyncDisposable {
  private tail: Buffer[] = [];
  private tailBytes = 0;
  private file: FileHandle | undefined;
  private limitBytes = 0;
  private written = 0;
  private read = 0;
  private moving: Promise<void> | undefined;
  private fileRefused = false;
  private ended = false;
  private failure: Error | undefined;
  private changed = Promise.withResolvers<void>();
  private readonly folder: string;
  private readonly memoryBytes: number;

  constructor(folder = tmpdir(), memoryBytes = MEMORY_BYTES) {
    this.folder = folder;
    this.memoryBytes = memoryBytes;
  }

  /** Takes a chunk. When it returns a promise, nothing more may be written until that is fulfilled. */
  write(chunk: Buffer): Promise<void> | undefined {
    this.tail.push(chunk);
    this.tailBytes += chunk.length;
    this.wake();
    if (this.tailBytes <= this.memoryBytes) return undefined;
    return this.makeRoom();
  }

  /** Nothing more comes: after what is there, readers get the failure, or the end. */
  end(failure?: Error): void {
    this.ended = true;
    this.failure ??= failure;
    this.wake();
  }

  /** All bytes in order; each once. For one reader. */
  async *chunks(): AsyncGenerator<Buffer> {
    for (;;) {
      if (this.written > this.read) yield await this.readFile();
      else if (this.moving) await this.moving;
      else if (this.tail.length > 0) {
        const chunk = this.tail.shift()!;
        this.tailBytes -= chunk.length;
        this.wake();
        yield chunk;
      } else if (this.failure) throw this.failure;
      else if (this.ended) return;
      else await this.changed.promise;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end();
    this.tail = [];
    this.tailBytes = 0;
    this.wake();
    await this.moving?.catch(() => undefined);
    await this.file?.close();
    this.file = undefined;
    this.written = 0;
    this.read = 0;
  }

  /** Moves what is in memory to the file; where that has no room, waits until the reader has made some. */
  private async makeRoom(): Promise<void> {
    while (this.tailBytes > this.memoryBytes && !this.ended) {
      if (this.fileRefused) await this.changed.promise;
      else {
        this.moving ??= this.moveToFile().finally(() => {
          this.moving = undefined;
        });
        await this.moving;
      }
    }
  }

  private async moveToFile(): Promise<void> {
    const chunks = this.tail;
    const sizeBytes = this.tailBytes;
    try {
      this.file ??= await this.openFile();
      if (this.written - this.read === 0) {
        this.written = 0;
        this.read = 0;
      }
      if (this.written + sizeBytes > this.limitBytes) throw new Error('the spool may not grow any further');
      // Its own place: `written` moves only when all is there, and a failure leaves the chunks in memory.
      let at = this.written;
      const count = chunks.length;
      for (let index = 0; index < count; index += 1) {
        await this.file.write(chunks[index]!, 0, chunks[index]!.length, at);
        at += chunks[index]!.length;
      }
      this.tail.splice(0, count);
      this.tailBytes -= at - this.written;
      this.written = at;
    } catch {
      this.fileRefused = true;
    }
    this.wake();
  }

  private async openFile(): Promise<FileHandle> {
    const path = join(this.folder, `stasis-spool-${randomUUID()}`);
    const file = await open(path, 'wx+', 0o600);
    await unlink(path);
    const { bavail, bsize } = await statfs(this.folder);
    this.limitBytes = bavail * bsize * SHARE_OF_FREE;
    return file;
  }

  private async readFile(): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, this.written - this.read));
    const { bytesRead } = await this.file!.read(buffer, 0, buffer.length, this.read);
    if (bytesRead === 0) throw new Error('the spool file is shorter than what was written to it');
    this.read += bytesRead;
    return buffer.subarray(0, bytesRead);
  }

  private wake(): void {
    this.changed.resolve();
    this.changed = Promise.withResolvers<void>();
  }
}
