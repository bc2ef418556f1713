import { describe, expect, test } from '@jest/globals';
import type { Digest } from '../../../provider/core/digest.ts';
import { StasisError } from '../../../provider/core/errors.ts';
import type { Store, StoreFinding } from '../../../provider/core/store.ts';
import { testContext } from '../../support/context.ts';
import { captureInto, randomOf, readMembers, sampleBytes } from './samples.ts';
import { openFresh } from './suite.ts';
import type { StoredPart, StoreUnderTest } from './under-test.ts';

const FLIPS = 200;
const members = { orders: sampleBytes(1, 900_000), web: sampleBytes(2, 300_000) };

/** Rot: flipped, missing and cut-off bytes. */
export function describeDamage(under: StoreUnderTest): void {
  describe('damage', () => {
    test(`${FLIPS} flipped bytes, each found, and never given out`, async () => {
      await using opened = await openFresh(under);
      await captureInto(opened.store, 'shop', { ...members, web: sampleBytes(3, 300_000) });
      const { digest } = await captureInto(opened.store, 'shop', members);
      const parts = await opened.fresh.parts(digest);
      const seed = Math.floor(Math.random() * 2 ** 32);
      const random = randomOf(seed);
      for (let flip = 0; flip < FLIPS; flip += 1) {
        // Half of them anywhere in all bytes, half in any part: the small ones count as much.
        const part = flip % 2 === 0 ? byBytes(parts, random()) : parts[Math.floor(random() * parts.length)]!;
        const at = Math.floor(random() * part.sizeBytes);
        const original = await part.read();
        const flipped = Buffer.from(original);
        flipped[at] = flipped[at]! ^ (1 << Math.floor(random() * 8));
        await part.write(flipped);
        const place = { seed, part: part.name, at };
        const findings = await opened.store.verify(digest, 'content', testContext());
        if (!part.shared) expect({ ...place, found: findings.length > 0 }).toEqual({ ...place, found: true });
        const read = await tryToRead(opened.store, digest);
        // What verify passed must be read, and whole; what it did not is refused or whole, never wrong.
        if (findings.length === 0) expect({ ...place, read }).toEqual({ ...place, read: 'whole' });
        else
          expect({ ...place, read }).toEqual({ ...place, read: expect.stringMatching(/^(whole|refused)$/) });
        await part.write(original);
      }
      expect(await opened.store.verify(digest, 'content', testContext())).toEqual([]);
    }, 300_000);

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
