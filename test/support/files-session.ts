import { mkdirSync, writeFileSync } from 'node:fs';
import { expect } from '@jest/globals';
import type { Session } from '../../provider/core/driver.ts';
import type { StasisError } from '../../provider/core/errors.ts';
import type { Capture } from '../../provider/core/manifest.ts';
import type { Blobs } from '../../provider/core/store.ts';

const signal = new AbortController().signal;

export function tree(root: string): void {
  mkdirSync(`${root}/sub`, { recursive: true });
  for (let index = 0; index < 20; index += 1) writeFileSync(`${root}/f${index}`, `content ${index}`);
  writeFileSync(`${root}/sub/big`, Buffer.alloc(2_000_000, 'big '));
}

/** Runs something right after a number of bytes were handed to the store. */
export function disturbed(blobs: Blobs, afterBytes: number, disturb: () => void): Blobs {
  let passed = 0;
  let done = false;
  async function* watched(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of content) {
      yield chunk;
      passed += chunk.length;
      if (done || passed < afterBytes) continue;
      done = true;
      disturb();
    }
  }
  return { ...blobs, put: (content, options) => blobs.put(watched(content), options) };
}

export async function code(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    (error: StasisError) => error.code,
  );
}

/** Looks until two in a row are equal, as a coordinator does it: the epoch of the cut. */
export async function stillCut(taken: Session, looks = 200): Promise<string> {
  for (let look = 1; ; look += 1) {
    const first = await taken.watch!.epoch(signal);
    const second = await taken.watch!.epoch(signal);
    if (first.value === second.value && !first.unprovable && !second.unprovable) return second.value;
    if (look >= looks) throw new Error(`never still: ${second.unprovable}`);
  }
}

/** Until nothing is lost, as a coordinator does it; how many cuts it took. */
export async function converge(taken: Session, blobs: Blobs, rounds: number): Promise<[Capture, number]> {
  for (let round = 1; ; round += 1) {
    const epoch = await stillCut(taken, rounds);
    try {
      const capture = await taken.copy(blobs);
      expect(capture.epoch).toBe(epoch);
      return [capture, round];
    } catch (error) {
      if ((error as StasisError).code !== 'cut.lost' || round >= rounds) throw error;
    }
  }
}
