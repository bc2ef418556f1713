/**
 * A stream on its way into a program. When it fails, all that the program sees is an early end, which it may well take
 * for the whole: whoever started the program asks here afterwards.
 */
export class Watched implements AsyncIterable<Uint8Array> {
  private readonly content: AsyncIterable<Uint8Array>;
  private failure: { readonly error: unknown } | undefined;

  constructor(content: AsyncIterable<Uint8Array>) {
    this.content = content;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      yield* this.content;
    } catch (error) {
      this.failure = { error };
      throw error;
    }
  }

  /** @throws what the stream threw */
  check(): void {
    if (this.failure) throw this.failure.error;
  }
}
