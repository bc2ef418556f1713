import { within } from '../../../core/wait.ts';

/** A command that says nothing for so long, while it is waited for, is stuck. */
const STALL_MS = 120_000;
const EMPTY = Buffer.alloc(0);

/** What a command prints, taken piece by piece; no more is read ahead than one chunk of its pipe. */
export class Wire {
  private readonly chunks: AsyncIterator<Uint8Array>;
  private readonly signal: AbortSignal;
  private rest: Buffer = EMPTY;

  constructor(chunks: AsyncIterable<Uint8Array>, signal: AbortSignal) {
    this.chunks = chunks[Symbol.asyncIterator]();
    this.signal = signal;
  }

  /** What comes before the next NUL. */
  async token(): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (;;) {
      const end = this.rest.indexOf(0);
      if (end >= 0) {
        parts.push(this.rest.subarray(0, end));
        this.rest = this.rest.subarray(end + 1);
        return Buffer.concat(parts);
      }
      parts.push(this.rest);
      await this.fill();
    }
  }

  async take(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const part of this.stream(length)) parts.push(part);
    return Buffer.concat(parts);
  }

  async *stream(length: number): AsyncGenerator<Buffer> {
    for (let left = length; left > 0; ) {
      if (this.rest.length === 0) await this.fill();
      const piece = this.rest.subarray(0, left);
      this.rest = this.rest.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }

  /** What comes before the next mark, within a bound of the caller's. */
  async until(mark: Buffer): Promise<Buffer> {
    let seen = this.rest;
    const parts: Buffer[] = [];
    for (;;) {
      const end = seen.indexOf(mark);
      if (end >= 0) {
        parts.push(seen.subarray(0, end));
        this.rest = seen.subarray(end + mark.length);
        return Buffer.concat(parts);
      }
      // A mark may have come in part.
      const kept = Math.max(0, seen.length - mark.length + 1);
      parts.push(seen.subarray(0, kept));
      const step = await this.chunks.next();
      if (step.done) throw new WireEnded();
      seen = Buffer.concat([seen.subarray(kept), step.value]);
    }
  }

  /** Takes nothing more: a command that is ended has not ended before somebody has let go of what it printed. */
  close(): void {
    void this.chunks.return?.().catch(() => {});
  }

  /** Waits until the command has nothing more to say. */
  async ended(): Promise<void> {
    while (!(await this.next()).done);
  }

  private next(): Promise<IteratorResult<Uint8Array>> {
    return within(STALL_MS, 'reading files of another host', this.signal, () => this.chunks.next());
  }

  /** @throws WireEnded where the command prints no more */
  private async fill(): Promise<void> {
    const step = await this.next();
    if (step.done) throw new WireEnded();
    this.rest = Buffer.from(step.value.buffer, step.value.byteOffset, step.value.byteLength);
  }
}

/** The command has ended before it had said all. */
export class WireEnded extends Error {
  constructor() {
    super('what a command prints has ended too early');
    this.name = 'WireEnded';
  }
}
