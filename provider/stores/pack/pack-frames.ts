const DIGEST_BYTES = 32;

/** Where the frames of one pack lie, in its file and in its raw content (all frames, uncompressed, one after another). */
export class PackFrames {
  readonly #rawStarts: number[] = [0];
  readonly #storedStarts: number[] = [0];
  readonly #digests: Uint8Array[] = [];

  get count(): number {
    return this.#digests.length;
  }

  /** Of all frames together. */
  get rawBytes(): number {
    return this.#rawStarts.at(-1)!;
  }

  get storedBytes(): number {
    return this.#storedStarts.at(-1)!;
  }

  add(rawBytes: number, storedBytes: number, digest: Uint8Array): void {
    if (digest.length !== DIGEST_BYTES) throw new RangeError('a digest of a frame has 32 bytes');
    this.#rawStarts.push(this.rawBytes + rawBytes);
    this.#storedStarts.push(this.storedBytes + storedBytes);
    this.#digests.push(digest);
  }

  rawStart(frame: number): number {
    return this.#rawStarts[frame]!;
  }

  rawLength(frame: number): number {
    return this.#rawStarts[frame + 1]! - this.#rawStarts[frame]!;
  }

  storedStart(frame: number): number {
    return this.#storedStarts[frame]!;
  }

  storedLength(frame: number): number {
    return this.#storedStarts[frame + 1]! - this.#storedStarts[frame]!;
  }

  digest(frame: number): Uint8Array {
    return this.#digests[frame]!;
  }

  /** The frame that holds a byte of the raw content, or -1. */
  at(rawOffset: number): number {
    if (rawOffset < 0 || rawOffset >= this.rawBytes) return -1;
    return lastAtOrBefore(this.#rawStarts, rawOffset);
  }
}

/** The last index whose value is not above `wanted`; values ascend, the first is not above it. */
export function lastAtOrBefore(values: ArrayLike<number>, wanted: number): number {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (values[middle]! <= wanted) low = middle;
    else high = middle - 1;
  }
  return low;
}
