/**
 * Which chunks are known, and in which frame they lie: a hash table in shared memory that all workers read and add
 * to without a lock. An entry is written first and published by one compare-and-exchange of its slot; it never
 * changes afterwards. Only the owner grows the table, while no worker uses it.
 */
export interface IndexMemory {
  /** Numbers of entries and of frames. */
  readonly counters: SharedArrayBuffer;
  /** A power of two of slots, 4 bytes each: 0, or an entry's number plus 1. */
  readonly slots: SharedArrayBuffer;
  /** The entries, SEGMENT_ENTRIES in each. */
  readonly segments: readonly SharedArrayBuffer[];
}

const ENTRY_COUNT = 0;
const FRAME_COUNT = 1;

/** Words of an entry: 8 of SHA-256, frame, offset in the frame's raw content, length. */
const ENTRY_WORDS = 11;
const FRAME_WORD = 8;
const OFFSET_WORD = 9;
const LENGTH_WORD = 10;
const SEGMENT_BITS = 15;
const SEGMENT_ENTRIES = 1 << SEGMENT_BITS;
const FIRST_SLOTS = 1 << 18;

/** Bytes of memory that an entry takes with its share of slots, at worst. */
export const INDEX_ENTRY_BYTES = ENTRY_WORDS * 4 + 16;

export class IndexView {
  #counters: Int32Array = new Int32Array(0);
  #slots: Int32Array = new Int32Array(0);
  #segments: readonly Int32Array[] = [];

  constructor(memory: IndexMemory) {
    this.attach(memory);
  }

  attach(memory: IndexMemory): void {
    this.#counters = new Int32Array(memory.counters);
    this.#slots = new Int32Array(memory.slots);
    this.#segments = memory.segments.map((segment) => new Int32Array(segment));
  }

  get entryCount(): number {
    return Atomics.load(this.#counters, ENTRY_COUNT);
  }

  get slotCount(): number {
    return this.#slots.length;
  }

  /** A number for a new frame. */
  nextFrame(): number {
    return Atomics.add(this.#counters, FRAME_COUNT, 1);
  }

  /** The entry of the hash whose 8 words are at this place of `hashes`, or -1. */
  find(hashes: Int32Array, place: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = hashes[place]! & mask; ; slot = (slot + 1) & mask) {
      const entry = Atomics.load(slots, slot) - 1;
      if (entry < 0) return -1;
      if (this.#holds(entry, hashes, place)) return entry;
    }
  }

  /** Adds a chunk and returns -1; or returns the entry of the same chunk that another worker has added first. */
  add(hashes: Int32Array, place: number, frame: number, offset: number, length: number): number {
    const added = this.#write(hashes, place, frame, offset, length);
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = hashes[place]! & mask; ; slot = (slot + 1) & mask) {
      let value = Atomics.load(slots, slot);
      if (value === 0) {
        value = Atomics.compareExchange(slots, slot, 0, added + 1);
        if (value === 0) return -1;
      }
      // The entry just written stays unused when another worker was faster; that is rare.
      if (this.#holds(value - 1, hashes, place)) return value - 1;
    }
  }

  frameOf(entry: number): number {
    return this.#word(entry, FRAME_WORD);
  }

  offsetOf(entry: number): number {
    return this.#word(entry, OFFSET_WORD);
  }

  /**
   * Adds a chunk unless it is there. Only while nobody else uses the index: it then takes a fraction of the time, and
   * a store has many chunks to tell at the start of every draft.
   */
  addAlone(hashes: Int32Array, place: number, frame: number, offset: number, length: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = hashes[place]! & mask;
    for (; slots[slot] !== 0; slot = (slot + 1) & mask)
      if (this.#holds(slots[slot]! - 1, hashes, place)) return;
    const entry = this.#counters[ENTRY_COUNT]!++;
    this.#fill(entry, hashes, place, frame, offset, length);
    slots[slot] = entry + 1;
  }

  /** Publishes every entry of `old` here as well. Only while nobody else uses either. */
  protected copySlots(old: Int32Array): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let from = 0; from < old.length; from += 1) {
      const value = old[from]!;
      if (value === 0) continue;
      let slot = this.#word(value - 1, 0) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = value;
    }
  }

  #write(hashes: Int32Array, place: number, frame: number, offset: number, length: number): number {
    const entry = Atomics.add(this.#counters, ENTRY_COUNT, 1);
    this.#fill(entry, hashes, place, frame, offset, length);
    return entry;
  }

  #fill(
    entry: number,
    hashes: Int32Array,
    place: number,
    frame: number,
    offset: number,
    length: number,
  ): void {
    const segment = this.#segments[entry >>> SEGMENT_BITS];
    if (segment === undefined) throw new RangeError('the index of chunks is full');
    const at = (entry & (SEGMENT_ENTRIES - 1)) * ENTRY_WORDS;
    for (let word = 0; word < FRAME_WORD; word += 1) segment[at + word] = hashes[place + word]!;
    segment[at + FRAME_WORD] = frame;
    segment[at + OFFSET_WORD] = offset;
    segment[at + LENGTH_WORD] = length;
  }

  #word(entry: number, word: number): number {
    return this.#segments[entry >>> SEGMENT_BITS]![(entry & (SEGMENT_ENTRIES - 1)) * ENTRY_WORDS + word]!;
  }

  #holds(entry: number, hashes: Int32Array, place: number): boolean {
    const segment = this.#segments[entry >>> SEGMENT_BITS]!;
    const at = (entry & (SEGMENT_ENTRIES - 1)) * ENTRY_WORDS;
    for (let word = 0; word < FRAME_WORD; word += 1)
      if (segment[at + word] !== hashes[place + word]) return false;
    return true;
  }
}

/** The index of the thread that made it and alone makes it grow. */
export class OwnIndex extends IndexView {
  #memory: IndexMemory;

  constructor() {
    const memory = {
      counters: new SharedArrayBuffer(8),
      slots: new SharedArrayBuffer(FIRST_SLOTS * 4),
      segments: segmentsFor(FIRST_SLOTS, 0),
    };
    super(memory);
    this.#memory = memory;
  }

  get memory(): IndexMemory {
    return this.#memory;
  }

  /** Whether the table must grow before `more` entries are added: no worker may use it then. */
  mustGrow(more: number): boolean {
    return (this.entryCount + more) * 2 > this.slotCount;
  }

  /**
   * Makes room for `more` entries, while no worker uses the index: one that has not heard of a new segment yet could
   * draw an entry's number that lies in it. What is not used yet takes no memory, as nobody has touched it.
   */
  grow(more: number): void {
    let slotCount = this.slotCount;
    while ((this.entryCount + more) * 2 > slotCount) slotCount *= 2;
    const old = new Int32Array(this.#memory.slots);
    const slots = new SharedArrayBuffer(slotCount * 4);
    this.#memory = {
      counters: this.#memory.counters,
      slots,
      segments: [...this.#memory.segments, ...segmentsFor(slotCount, this.#memory.segments.length)],
    };
    this.attach(this.#memory);
    if (this.entryCount > 0) this.copySlots(old);
  }
}

/** The segments still missing for as many entries as half the slots. */
function segmentsFor(slotCount: number, have: number): SharedArrayBuffer[] {
  const missing = Math.ceil(slotCount / 2 / SEGMENT_ENTRIES) - have;
  return Array.from({ length: missing }, () => new SharedArrayBuffer(SEGMENT_ENTRIES * ENTRY_WORDS * 4));
}
