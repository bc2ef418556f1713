/** How much of a command's error output is kept, from its end. */
export const STDERR_KEPT_BYTES = 64 * 1024;

/** Keeps the last bytes of a stream. */
export class Tail {
  private chunks: Uint8Array[] = [];
  private sizeBytes = 0;
  private readonly limitBytes: number;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  push(chunk: Uint8Array): void {
    this.chunks.push(chunk);
    this.sizeBytes += chunk.length;
    if (this.sizeBytes > 2 * this.limitBytes) this.compact();
  }

  text(): string {
    this.compact();
    return Buffer.concat(this.chunks).toString('utf8');
  }

  private compact(): void {
    const all = Buffer.concat(this.chunks);
    const kept = all.subarray(Math.max(0, all.length - this.limitBytes));
    this.chunks = [kept];
    this.sizeBytes = kept.length;
  }
}
