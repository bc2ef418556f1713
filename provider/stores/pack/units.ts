import { UNIT_BYTES } from './chunking.ts';

/** A buffer that the main thread fills and workers read. */
export interface Unit {
  readonly memory: SharedArrayBuffer;
  readonly bytes: Buffer;
}

/** Someone who fills a unit and can give it back early. */
export interface UnitHolder {
  /** Set by the pool; the holder clears it when it sends the unit off. */
  unit: Unit | undefined;
  readonly filledBytes: number;
  /** Sends off what its unit holds, or puts it elsewhere, so that the unit comes back to the pool. */
  surrender(): void;
}

/**
 * The fixed number of units that bounds the memory of all streams: who gets none waits, and thereby slows down
 * whoever feeds it. When all units are being filled and none is on its way, the fullest one is sent off early, so
 * that streams which depend on one another never wait for each other.
 */
export class UnitPool {
  readonly #count: number;
  readonly #free: Unit[] = [];
  #made = 0;
  readonly #waiting: { readonly holder: UnitHolder; readonly resolve: () => void }[] = [];
  readonly #holders = new Set<UnitHolder>();

  constructor(count: number) {
    this.#count = count;
  }

  /** Gives the holder a unit to fill; it has it until it sends it off by `sent`. */
  async take(holder: UnitHolder): Promise<void> {
    const unit = this.#free.pop() ?? this.#make();
    if (unit !== undefined) {
      this.#give(unit, holder);
      return;
    }
    const given = new Promise<void>((resolve) => this.#waiting.push({ holder, resolve }));
    this.relieve();
    await given;
  }

  /** The holder no longer fills its unit; `release` follows when nobody reads it any more. */
  sent(holder: UnitHolder): void {
    this.#holders.delete(holder);
  }

  release(unit: Unit): void {
    const next = this.#waiting.shift();
    if (next === undefined) {
      this.#free.push(unit);
      return;
    }
    this.#give(unit, next.holder);
    next.resolve();
    this.relieve();
  }

  #give(unit: Unit, holder: UnitHolder): void {
    holder.unit = unit;
    this.#holders.add(holder);
  }

  #make(): Unit | undefined {
    if (this.#made === this.#count) return undefined;
    this.#made += 1;
    const memory = new SharedArrayBuffer(UNIT_BYTES);
    return { memory, bytes: Buffer.from(memory) };
  }

  /**
   * Sends off the fullest unit if someone waits and all are being filled. Holders call it when they stop to wait for
   * more; one that has its unit and nothing in it yet is about to fill it, and calls it then.
   */
  relieve(): void {
    if (this.#waiting.length === 0 || this.#holders.size < this.#count) return;
    let fullest: UnitHolder | undefined;
    for (const holder of this.#holders)
      if (holder.filledBytes > (fullest?.filledBytes ?? 0)) fullest = holder;
    fullest?.surrender();
  }
}
