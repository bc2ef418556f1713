import { describe, expect, test } from '@jest/globals';
import type { Digest } from '../../../provider/core/digest.ts';
import { StasisError } from '../../../provider/core/errors.ts';
import type { Store, StoreFinding } from '../../../provider/core/store.ts';
import { testContext } from '../../support/context.ts';
import { captureInto, OWNER, randomOf, readMembers, sampleBytes } from './samples.ts';
import { openFresh } from './suite.ts';
import type { StoredPart, StoreUnderTest } from './under-test.ts';

const FLIPS = 200;
const members = { orders: sampleBytes(1, 900_000), web: sampleBytes(2, 300_000) };

/** Rot: flipped, missing and cut-off bytes. */
export function describeDamage(under: StoreUnderTest): void {
  describe('damage', () => {
    test(`${FLIPS} flipped bytes, each found, and never given out`, async () => {
      await using opened = await openFresh(under);
      const { digest } = await captureInto(opened.store, 'shop', members);
      await eachFlip(await opened.fresh.parts(digest), async (place) => {
        const findings = await opened.store.verify(digest, 'content', testContext());
        expect({ ...place, found: findings.length > 0 }).toEqual({ ...place, found: true });
        const read = await tryToRead(opened.store, digest);
        // What verify passed must be read, and whole; what it did not is refused or whole, never wrong.
        const allowed = findings.length === 0 ? /^whole$/ : /^(whole|refused)$/;
        expect({ ...place, read }).toEqual({ ...place, read: expect.stringMatching(allowed) });
      });
      expect(await opened.store.verify(digest, 'content', testContext())).toEqual([]);
    }, 300_000);

    test(`${FLIPS} flipped bytes in all that is in the store, each found`, async () => {
      await using opened = await openFresh(under);
      const { store } = opened;
      await captureInto(store, 'shop', { ...members, web: sampleBytes(3, 300_000) });
      const { digest } = await captureInto(store, 'shop', members);
      await captureInto(store, 'bank', { books: members.web });
      await store.pin('shop', { by: 'user:kept', digest });
      await store.records.write('restore/a', { members: ['orders'], step: 'loaded' });
      const whole = await store.verifyAll('content', testContext());
      expect(whole.findings).toEqual([]);
      expect(whole.snapshots.map(({ name, generation }) => `${name}:${generation}`).sort()).toEqual([
        'bank:1',
        'shop:1',
        'shop:2',
      ]);
      await eachFlip(await opened.fresh.all(), async (place) => {
        const { findings } = await store.verifyAll('content', testContext());
        expect({ ...place, found: findings.length > 0 }).toEqual({ ...place, found: true });
      });
      expect(await store.verifyAll('content', testContext())).toEqual(whole);
    }, 300_000);

    test('removing a generation leaves a store in which nothing is wrong', async () => {
      await using opened = await openFresh(under);
      const { store } = opened;
      for (const seed of [4, 5, 6]) await captureInto(store, 'shop', { web: sampleBytes(seed, 300_000) });
      for (const generation of [1, 3]) {
        await store.remove('shop', OWNER, [generation], testContext());
        expect((await store.verifyAll('content', testContext())).findings).toEqual([]);
      }
      const left = (await store.name('shop'))?.generations.map((entry) => entry.generation);
      expect(left).toEqual([2]);
    });

    test('the presence of everything is checked with its size, without reading it', async () => {
      await using opened = await openFresh(under);
      const { digest } = await captureInto(opened.store, 'shop', members);
      for (const part of await opened.fresh.parts(digest)) {
        const original = await part.read();
        for (const [bytes, codes] of [
          [undefined, ['missing']],
          [original.subarray(0, -1), ['wrong-size', 'unreadable', 'damaged']],
        ] as const) {
          await part.write(bytes);
          const findings = await opened.store.verify(digest, 'presence', testContext());
          expect({ part: part.name, codes: codesOf(findings) }).toEqual({
            part: part.name,
            codes: expect.arrayContaining([expect.stringMatching(new RegExp(`^(${codes.join('|')})$`))]),
          });
          await part.write(original);
        }
      }
      expect(await opened.store.verify(digest, 'presence', testContext())).toEqual([]);
    });

    test('a finding names the members that it concerns', async () => {
      await using opened = await openFresh(under);
      await captureInto(opened.store, 'shop', { orders: members.orders });
      const { digest } = await captureInto(opened.store, 'shop', members);
      const largest = (await opened.fresh.parts(digest)).reduce((a, b) =>
        a.sizeBytes > b.sizeBytes ? a : b,
      );
      await largest.write(undefined);
      expect(await opened.store.verify(digest, 'presence', testContext())).toEqual([
        expect.objectContaining({ code: 'missing', members: ['orders'] }),
      ]);
      const contents = await opened.store.open('shop', digest, testContext());
      const web = contents.manifest.members.web!.fingerprint.digest;
      for await (const _piece of contents.blobs('web').get(web));
    });

    test('a snapshot that is not there is a finding', async () => {
      await using opened = await openFresh(under);
      await captureInto(opened.store, 'shop', members);
      const findings = await opened.store.verify(`sha256:${'1'.repeat(64)}`, 'presence', testContext());
      expect(codesOf(findings)).toContain('missing');
    });

    test('a capture beside a damaged snapshot does not build upon it, nor sweep what it needs', async () => {
      await using opened = await openFresh(under);
      const first = await captureInto(opened.store, 'shop', members);
      const parts = await opened.fresh.parts(first.digest);
      const before = new Map<string, Buffer>();
      for (const part of parts.filter(({ shared }) => !shared)) before.set(part.name, await part.read());
      const manifest = parts.find(({ name }) => name.includes(first.digest.slice(7)))!;
      const original = await manifest.read();
      await manifest.write(Buffer.concat([original.subarray(0, -1), Buffer.from('!')]));
      const second = await captureInto(opened.store, 'bank', members);
      expect(await opened.store.verify(second.digest, 'content', testContext())).toEqual([]);
      await opened.store.sweep(testContext());
      await manifest.write(original);
      expect(await opened.store.verify(first.digest, 'content', testContext())).toEqual([]);
      for (const part of await opened.fresh.parts(first.digest))
        if (before.has(part.name)) expect((await part.read()).equals(before.get(part.name)!)).toBe(true);
    });
  });
}

function codesOf(findings: readonly StoreFinding[]): string[] {
  return findings.map(({ code }) => code);
}

interface FlippedPlace {
  readonly seed: number;
  readonly part: string;
  readonly at: number;
}

/** Changes one byte after another, each put right again after it was looked at. */
async function eachFlip(
  parts: readonly StoredPart[],
  look: (place: FlippedPlace) => Promise<void>,
): Promise<void> {
  const seed = Math.floor(Math.random() * 2 ** 32);
  const random = randomOf(seed);
  for (let flip = 0; flip < FLIPS; flip += 1) {
    // Half of them anywhere in all bytes, half in any part: the small ones count as much.
    const part = flip % 2 === 0 ? byBytes(parts, random()) : parts[Math.floor(random() * parts.length)]!;
    const at = Math.floor(random() * part.sizeBytes);
    const original = await part.read();
    const flipped = Buffer.from(original);
    flipped[at] = flipped[at]! ^ (1 + Math.floor(random() * 255));
    await part.write(flipped);
    await look({ seed, part: part.name, at });
    await part.write(original);
  }
}

function byBytes(parts: readonly StoredPart[], share: number): StoredPart {
  let left = share * parts.reduce((sum, part) => sum + part.sizeBytes, 0);
  for (const part of parts) {
    left -= part.sizeBytes;
    if (left < 0) return part;
  }
  return parts.at(-1)!;
}

async function tryToRead(store: Store, digest: Digest): Promise<'whole' | 'refused' | 'wrong' | string> {
  try {
    const read = await readMembers(store, 'shop', digest);
    const same = Object.entries(members).every(([member, bytes]) => read[member]?.equals(bytes));
    return same ? 'whole' : 'wrong';
  } catch (error) {
    const code = error instanceof StasisError ? error.code : String(error);
    return ['store.damaged', 'store.no-snapshot', 'store.newer-format'].includes(code) ? 'refused' : code;
  }
}
