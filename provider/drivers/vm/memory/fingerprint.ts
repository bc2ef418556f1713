import { hash } from 'node:crypto';
import type { FingerprintEntry } from '../../../core/fingerprint.ts';
import { digestOf } from '../../../core/fingerprint-digest.ts';
import { parseDevices } from './devices.ts';
import { type Frame, PAGE_BYTES, type Page } from './stream.ts';

/** Memory is compared in ranges of this size. */
const RANGE_BYTES = 4 * 1024 * 1024;
/** What is kept of a page: enough that no two pages that differ by chance are taken for one. */
const KEPT_BYTES = 16;
const RANGE_KEPT_BYTES = (RANGE_BYTES / PAGE_BYTES) * KEPT_BYTES;
const NO_PAGES = Buffer.alloc(RANGE_KEPT_BYTES);

/** Gathers what pages hold, in whatever order they come; of a page that comes twice, the last counts. */
export class MemoryDigest {
  private readonly kept: Buffer[] = [];

  add({ block, page, data }: Page): void {
    const at = page * KEPT_BYTES;
    const kept = this.keptOf(block, at + KEPT_BYTES);
    if (data === undefined || isZero(data)) kept.fill(0, at, at + KEPT_BYTES);
    else hash('sha256', data, 'buffer').copy(kept, at, 0, KEPT_BYTES);
  }

  /** One entry a range that has any page which is not full of zeros, and one a device. */
  entries(frame: Frame): FingerprintEntry[] {
    const memory = frame.blocks.flatMap(({ name, sizeBytes }, block) => [
      {
        object: `memory/${name}`,
        digest: digestOf(sizeBytes),
        facts: { bytes: sizeBytes },
      },
      ...this.ranges(name, this.kept[block] ?? Buffer.alloc(0)),
    ]);
    const devices = parseDevices(frame.tail, frame.footers).map(({ name, instance, state }) => ({
      object: `device/${name}/${instance}`,
      digest: digestOf(withoutNoise(name, state)),
      facts: { bytes: state.length },
    }));
    return [...memory, ...devices];
  }

  private ranges(name: string, kept: Buffer): FingerprintEntry[] {
    const entries: FingerprintEntry[] = [];
    for (let at = 0; at < kept.length; at += RANGE_KEPT_BYTES) {
      const range = kept.subarray(at, at + RANGE_KEPT_BYTES);
      if (NO_PAGES.subarray(0, range.length).equals(range)) continue;
      const offset = (at / KEPT_BYTES) * PAGE_BYTES;
      entries.push({
        object: `memory/${name}/${offset.toString(16).padStart(12, '0')}`,
        digest: digestOf(trimmed(range)),
      });
    }
    return entries;
  }

  private keptOf(block: number, sizeBytes: number): Buffer {
    const known = this.kept[block] ?? Buffer.alloc(0);
    if (known.length >= sizeBytes) return known;
    const grown = Buffer.alloc(Math.max(sizeBytes, 2 * known.length, RANGE_KEPT_BYTES));
    known.copy(grown);
    this.kept[block] = grown;
    return grown;
  }
}

/**
 * Of a PC's clock (hw/rtc/mc146818rtc.c) the registers that show the time of day, as they tell the time at which they
 * were saved: seconds, minutes, hours, weekday, day, month, year and century of the CMOS memory that its state begins with.
 */
const CLOCK = 'mc146818rtc';
const TIME_REGISTERS = [0x00, 0x02, 0x04, 0x06, 0x07, 0x08, 0x09, 0x32];

function withoutNoise(name: string, state: Buffer): Buffer {
  if (name !== CLOCK) return state;
  const copy = Buffer.from(state);
  for (const register of TIME_REGISTERS) copy[register] = 0;
  return copy;
}

/** The zeros at its end may be there or not. */
function trimmed(range: Buffer): Buffer {
  let end = range.length;
  while (end > 0 && range[end - 1] === 0) end -= 1;
  return range.subarray(0, end);
}

const ZERO_PAGE = Buffer.alloc(PAGE_BYTES);

function isZero(page: Buffer): boolean {
  return page[0] === 0 && ZERO_PAGE.equals(page);
}
