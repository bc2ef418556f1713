import { expect, test } from '@jest/globals';
import type { BlobDigest } from '../../../provider/core/blob-digest.ts';
import { StasisError } from '../../../provider/core/errors.ts';
import type { MemberCapture } from '../../../provider/core/manifest.ts';
import type { BlobReader, ByteRange } from '../../../provider/core/store.ts';
import { sleep } from '../../../provider/core/wait.ts';
import { type MemoryBlobs, testContext } from '../../support/context.ts';
import type { DriverAdapter, System, Target } from './adapter.ts';
import { captureSharp, codeOf, compared, host, leftOn, memberOf, restoreInto } from './support.ts';

interface Source {
  readonly member: MemberCapture;
  readonly blobs: MemoryBlobs;
  readonly fingerprint: Awaited<ReturnType<typeof captureSharp>>['fingerprint'];
}

/** Damages are tried on this many blobs; a capture may have many. */
const VICTIMS = 4;

/** A restore that fails, is cancelled or dies leaves its target as it was. */
export function testSafety(adapter: DriverAdapter, system: () => System): void {
  const { driver, replacesFirst } = adapter;
  let captured: Promise<Source> | undefined;
  /** One capture for all: what is captured does not change. */
  const source = (): Promise<Source> => {
    captured ??= captureSharp(driver, system().spec).then((result) => ({
      ...result,
      member: memberOf(driver, system().spec, result),
    }));
    return captured;
  };
  const unchanged = async (target: Target, before: string): Promise<void> => {
    expect(await leftOn(target)).toEqual([]);
    expect(await target.state()).toBe(before);
  };

  test('a blob that cannot be read ends a restore with the store’s own error, and the target is as it was', async () => {
    const from = await source();
    await using target = await system().emptyTarget();
    const before = await target.state();
    for (const digest of victims(from)) {
      const restore = restoreInto(driver, target, {
        member: from.member,
        blobs: unreadable(from.blobs, digest),
      });
      expect(await codeOf(restore)).toBe('store.damaged');
      await unchanged(target, before);
    }
  });

  test('a flipped byte is found before a release, and the target is as it was', async () => {
    const from = await source();
    await using target = await system().emptyTarget();
    const before = await target.state();
    for (const digest of victims(from)) {
      const found = await foundDamage(from, target, flipped(from.blobs, digest));
      const victim = {
        digest,
        sizeBytes: from.blobs.contents.get(digest)!.length,
        at: placeIn(from, digest),
      };
      expect({ ...victim, found }).toEqual({ ...victim, found: true });
      await unchanged(target, before);
    }
  });

  /** Either the restore fails, or what it loaded has another fingerprint. */
  async function foundDamage(from: Source, target: Target, blobs: BlobReader): Promise<boolean> {
    try {
      await using held = await restoreInto(driver, target, { member: from.member, blobs });
      const { differenceCount } = await compared(from.fingerprint, held.fingerprint());
      return differenceCount > 0;
    } catch (error) {
      expect(error).toBeInstanceOf(StasisError);
      return true;
    }
  }

  test('cancelled before and while it loads, a restore leaves the target as it was', async () => {
    const from = await source();
    await using target = await system().emptyTarget();
    const before = await target.state();
    const reads = await countReads(from, target);
    await unchanged(target, before);
    for (const atRead of new Set([0, 1, Math.ceil(reads / 2), reads])) {
      const controller = new AbortController();
      if (atRead === 0) controller.abort();
      const blobs = watched(from.blobs, (read) => read === atRead && controller.abort());
      const context = testContext({ signal: controller.signal });
      const code = await codeOf(
        restoreInto(driver, target, { member: from.member, blobs }, {}, context).then(async (held) => {
          // The last read may be the last thing that it waits for.
          await held[Symbol.asyncDispose]();
        }),
      );
      if (atRead < reads) expect({ atRead, code }).toEqual({ atRead, code: 'cancelled' });
      else expect(['cancelled', 'none']).toContain(code);
      await unchanged(target, before);
    }
  });

  async function countReads(from: Source, target: Target): Promise<number> {
    let reads = 0;
    const blobs = watched(from.blobs, (read) => {
      reads = read;
    });
    await using _ = await restoreInto(driver, target, { member: from.member, blobs });
    return reads;
  }

  test('loaded and not released, it leaves the target as it was', async () => {
    const from = await source();
    await using target = await system().emptyTarget();
    const before = await target.state();
    const held = await restoreInto(driver, target, from);
    await held[Symbol.asyncDispose]();
    await held[Symbol.asyncDispose]();
    await unchanged(target, before);
  });

  test('what is there is seen at plan time, and overwritten only when told to', async () => {
    const from = await source();
    await using target = await system().filledTarget();
    const before = await target.state();
    const planned = await driver.planRestore(target.spec, host, from.member, testContext());
    expect(planned.empty).toBe(false);
    expect(planned.restoredBy).toBeUndefined();
    expect(await codeOf(restoreInto(driver, target, from))).toMatch(/^[a-z]+\.[a-z-]+$/);
    await unchanged(target, before);
    await using held = await restoreInto(driver, target, from, { overwrite: true });
    expect(await compared(from.fingerprint, held.fingerprint())).toMatchObject({ differences: [] });
    await held.release();
    await held[Symbol.asyncDispose]();
    expect(await target.faults()).toEqual([]);
    expect(await leftOn(target)).toEqual([]);
  });

  /** What an overwriting restore may die over; what that is, and what it is once all is undone. */
  async function overwritten(): Promise<{ target: Target; before: string; undone: string }> {
    const empty = await system().emptyTarget();
    const undone = await empty.state();
    await empty[Symbol.asyncDispose]();
    const target = await system().filledTarget();
    const before = await target.state();
    return { target, before, undone: replacesFirst ? undone : before };
  }

  test('of a restore that died, loaded and not released, everything is undone, any number of times', async () => {
    const from = await source();
    const { target: filled, undone } = await overwritten();
    await using target = filled;
    const journal: unknown[] = [];
    const held = await restoreInto(driver, target, from, { overwrite: true, journal: writing(journal) });
    expect(journal.length).toBeGreaterThan(0);
    await undoAll(target, journal);
    expect(await target.state()).toBe(undone);
    // The dead one's connections are closed by its death; here they still have to be.
    await held[Symbol.asyncDispose]();
    await undoAll(target, journal);
    await unchanged(target, undone);
  });

  test('of one that died while it loaded as well', async () => {
    const from = await source();
    const { target: filled, before, undone } = await overwritten();
    await using target = filled;
    const journal: unknown[] = [];
    const controller = new AbortController();
    const stuck = Promise.withResolvers<void>();
    const blobs = hanging(from, controller.signal, stuck.resolve);
    const restore = codeOf(
      restoreInto(
        driver,
        target,
        { member: from.member, blobs },
        { overwrite: true, journal: writing(journal) },
        testContext({ signal: controller.signal }),
      ),
    );
    await stuck.promise;
    await undoAll(target, journal);
    controller.abort();
    expect(await restore).not.toBe('none');
    await undoAll(target, journal);
    expect(await leftOn(target)).toEqual([]);
    // It may have died before what was there had to go.
    expect([before, undone]).toContain(await target.state());
  });

  async function undoAll(target: Target, journal: readonly unknown[]): Promise<void> {
    for (let twice = 0; twice < 2; twice += 1)
      for (const entry of journal.toReversed()) await driver.undo(target.spec, host, entry, testContext());
  }
}

/** A journal that keeps what a real one would: JSON. */
function writing(journal: unknown[]): (entry: unknown) => Promise<void> {
  return async (entry) => {
    journal.push(JSON.parse(JSON.stringify(entry)));
  };
}

/** Where the capture names a blob, for whoever reads of a failure. */
function placeIn({ member }: Source, digest: BlobDigest): string {
  const text = JSON.stringify(member.content);
  const at = text.indexOf(digest);
  return at < 0 ? 'nowhere' : text.slice(Math.max(0, at - 40), at);
}

/** Some of the blobs that a restore reads: the first, the last, and the largest. */
function victims(from: Source): readonly BlobDigest[] {
  const { blobs } = from;
  // What lay in caches is read by nobody but who warms them, and fails no restore.
  const digests = [...blobs.contents.keys()].filter((digest) => !/\bhot\b/.test(placeIn(from, digest)));
  const bySize = [...digests].sort((a, b) => blobs.contents.get(b)!.length - blobs.contents.get(a)!.length);
  const chosen = [digests[0], digests.at(-1), ...bySize].filter((digest) => digest !== undefined);
  return [...new Set(chosen)].filter((digest) => blobs.contents.get(digest)!.length > 0).slice(0, VICTIMS);
}

function unreadable(blobs: MemoryBlobs, victim: BlobDigest): BlobReader {
  async function* get(digest: BlobDigest, range?: ByteRange): AsyncGenerator<Uint8Array> {
    if (digest === victim) throw new StasisError('store.damaged', 'This blob cannot be read.');
    yield* blobs.get(digest, range);
  }
  return { has: (digest) => blobs.has(digest), get };
}

/** A copy of the blobs with the lowest bit of the middle byte of one of them turned. */
function flipped(blobs: MemoryBlobs, victim: BlobDigest): BlobReader {
  const damaged = Buffer.from(blobs.contents.get(victim)!);
  const middle = damaged.length >> 1;
  damaged[middle] = damaged[middle]! ^ 1;
  async function* get(digest: BlobDigest, range?: ByteRange): AsyncGenerator<Uint8Array> {
    if (digest !== victim) yield* blobs.get(digest, range);
    else yield range ? damaged.subarray(range.offset, range.offset + range.length) : damaged;
  }
  return { has: (digest) => blobs.has(digest), get };
}

function watched(blobs: MemoryBlobs, seen: (read: number) => void): BlobReader {
  let read = 0;
  async function* get(digest: BlobDigest, range?: ByteRange): AsyncGenerator<Uint8Array> {
    for await (const chunk of blobs.get(digest, range)) {
      read += 1;
      seen(read);
      yield chunk;
    }
  }
  return { has: (digest) => blobs.has(digest), get };
}

/** The largest blob never comes to its end, until the signal says so. */
function hanging({ blobs, ...from }: Source, signal: AbortSignal, stuck: () => void): BlobReader {
  const [victim] = victims({ blobs, ...from }).toSorted(
    (a, b) => blobs.contents.get(b)!.length - blobs.contents.get(a)!.length,
  );
  async function* get(digest: BlobDigest, range?: ByteRange): AsyncGenerator<Uint8Array> {
    if (digest !== victim) yield* blobs.get(digest, range);
    else {
      for await (const chunk of blobs.get(digest, range)) {
        yield chunk.subarray(0, chunk.length >> 1);
        break;
      }
      // The reader has what it got, and waits: long enough for it to have done with that what it can.
      await sleep(100);
      stuck();
      await sleep(600_000, signal);
    }
  }
  return { has: (digest) => blobs.has(digest), get };
}
