/** The bytes of a stream in portions of a size that the reader asks for. */
export class Portions {
  private readonly chunks: AsyncIterator<Uint8Array>;
  private buffered: Buffer = Buffer.alloc(0);

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.chunks = stream[Symbol.asyncIterator]();
  }

  /** Whether `cut` of as much needs no waiting. */
  has(length: number): boolean {
    return this.buffered.length >= length;
  }

  /** Waits until as much is there; false when the stream ends before. */
  async fill(length: number): Promise<boolean> {
    const pieces = [this.buffered];
    let have = this.buffered.length;
    while (have < length) {
      const { value, done } = await this.chunks.next();
      if (done) break;
      pieces.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
      have += value.byteLength;
    }
    if (pieces.length > 1) this.buffered = Buffer.concat(pieces);
    return have >= length;
  }

  /** What `fill` has waited for. It stays as it is for as long as the caller wants. */
  cut(length: number): Buffer {
    const portion = this.buffered.subarray(0, length);
    this.buffered = this.buffered.subarray(length);
    return portion;
  }

  /** @throws Error when the stream ends before as much has come */
  async take(length: number): Promise<Buffer> {
    if (!this.has(length) && !(await this.fill(length))) throw new Error('it ends too early');
    return this.cut(length);
  }

  /** Nothing more is wanted: whoever made the stream may close what it reads from. */
  async close(): Promise<void> {
    await this.chunks.return?.();
  }

  /** All that is left, up to a bound. @throws Error beyond it */
  async rest(limitBytes: number): Promise<Buffer> {
    if (await this.fill(limitBytes + 1)) throw new Error('it is too long');
    return this.cut(this.buffered.length);
  }
}
