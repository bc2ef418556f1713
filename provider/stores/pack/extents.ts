import { lastAtOrBefore } from './pack-frames.ts';

/** The pack of an extent of zeros, which are not stored. */
export const ZERO_PACK = -1;

/** Where a blob's content lies, in order: runs of zeros, and runs of a pack's raw content. */
export class Extents {
  readonly #lengths: number[] = [];
  readonly #packs: number[] = [];
  readonly #offsets: number[] = [];
  #sizeBytes = 0;
  #starts: Float64Array | undefined;

  get count(): number {
    return this.#lengths.length;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Appends a run, joining it to the last one where it follows on. */
  add(length: number, pack: number, offset: number): void {
    if (length <= 0) return;
    this.#sizeBytes += length;
    this.#starts = undefined;
    const last = this.count - 1;
    if (last >= 0 && this.#packs[last] === pack) {
      if (pack === ZERO_PACK || this.#offsets[last]! + this.#lengths[last]! === offset) {
        this.#lengths[last]! += length;
        return;
      }
    }
    this.#lengths.push(length);
    this.#packs.push(pack);
    this.#offsets.push(pack === ZERO_PACK ? 0 : offset);
  }

  length(extent: number): number {
    return this.#lengths[extent]!;
  }

  pack(extent: number): number {
    return this.#packs[extent]!;
  }

  /** In the pack's raw content. */
  offset(extent: number): number {
    return this.#offsets[extent]!;
  }

  /** The extent that holds a byte of the blob, and where that extent starts. */
  find(position: number): { readonly extent: number; readonly start: number } {
    this.#starts ??= this.#sum();
    const extent = lastAtOrBefore(this.#starts, position);
    return { extent, start: this.#starts[extent]! };
  }

  #sum(): Float64Array {
    const starts = new Float64Array(this.count);
    let position = 0;
    for (let extent = 0; extent < this.count; extent += 1) {
      starts[extent] = position;
      position += this.#lengths[extent]!;
    }
    return starts;
  }
}
