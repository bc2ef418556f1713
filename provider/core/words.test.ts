import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { StasisError, toStasisError } from './errors.ts';
import { digestOf } from './fingerprint-digest.ts';
import { formatReference, isName, parseReference } from './reference.ts';
import { formatBytes, formatMs } from './units.ts';
import { satisfies, verdictOf, worstVerdict } from './verdict.ts';
import { within } from './wait.ts';

const DIGEST = `sha256:${'0a'.repeat(32)}` as const;

describe('references', () => {
  test('name, generation and digest', () => {
    expect(parseReference('shop')).toEqual({ name: 'shop' });
    expect(parseReference('shop:3')).toEqual({ name: 'shop', generation: 3 });
    expect(parseReference(`shop@${DIGEST}`)).toEqual({ name: 'shop', digest: DIGEST });
  });

  test.each([
    '',
    'Shop',
    'a/b',
    'a_b',
    'shop:',
    'shop:0',
    'shop:x',
    'shop:1:2',
    'shop@sha256:12',
    `shop:1@${DIGEST}`,
    `a@${DIGEST}@x`,
    '-a',
    'a..b',
    'a'.repeat(101),
  ])('"%s" is refused', (text) => {
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: 'reference.malformed' }));
  });

  test('what is formatted is parsed back', () => {
    const names = fc.stringMatching(/^[a-z0-9]+([.-][a-z0-9]+)*$/).filter(isName);
    fc.assert(
      fc.property(
        names,
        fc.option(fc.integer({ min: 1, max: 1e6 }), { nil: undefined }),
        (name, generation) => {
          const reference = generation === undefined ? { name } : { name, generation };
          expect(parseReference(formatReference(reference))).toEqual(reference);
        },
      ),
    );
  });
});

describe('verdicts', () => {
  test('equal is as good as the driver is; a difference is drift; the worst member counts', () => {
    const equal = { equal: 3, differences: [], differenceCount: 0 };
    expect(verdictOf(equal, 'identical')).toBe('identical');
    expect(verdictOf({ ...equal, differenceCount: 1 }, 'identical')).toBe('drifted');
    expect(worstVerdict(['identical', 'equivalent'])).toBe('equivalent');
    expect(worstVerdict(['identical', 'unverified', 'drifted'])).toBe('drifted');
    expect(worstVerdict([])).toBe('unverified');
  });

  test('what a restore insists on', () => {
    expect(satisfies('identical', 'equivalent')).toBe(true);
    expect(satisfies('equivalent', 'identical')).toBe(false);
    expect(satisfies('unverified', 'equivalent')).toBe(false);
    expect(satisfies('drifted', 'report')).toBe(true);
  });
});

describe('errors and waits', () => {
  test('an error keeps code, hint and cause when it is placed further out', () => {
    const inner = new StasisError('x.y', 'It broke.', {
      hint: 'Mend it.',
      at: ['url'],
      cause: new Error('c'),
    });
    const outer = inner.within('members', 'orders', 'postgres');
    expect(outer).toMatchObject({
      code: 'x.y',
      hint: 'Mend it.',
      at: ['members', 'orders', 'postgres', 'url'],
    });
    expect(outer.cause).toBe(inner.cause);
  });

  test('work that never ends is left at its deadline, and its signal aborts', async () => {
    let aborted = false;
    const work = within(20, 'the work', undefined, async (signal) => {
      signal.addEventListener('abort', () => {
        aborted = true;
      });
      return new Promise<never>(() => {});
    });
    await expect(work).rejects.toMatchObject({ code: 'timeout' });
    expect(aborted).toBe(true);
  });

  test('an outer cancel ends the wait with its own reason', async () => {
    const controller = new AbortController();
    const work = within(10_000, 'the work', controller.signal, () => new Promise<never>(() => {}));
    controller.abort(new StasisError('engine.stopped', 'Stopped.'));
    await expect(work).rejects.toMatchObject({ code: 'engine.stopped' });
    expect(toStasisError(new DOMException('x', 'AbortError')).code).toBe('cancelled');
  });
});

describe('units and digests', () => {
  test('for people', () => {
    expect([formatBytes(0), formatBytes(999), formatBytes(1500), formatBytes(412_000_000)]).toEqual([
      '0 B',
      '999 B',
      '1.5 kB',
      '412 MB',
    ]);
    expect([formatMs(0.42), formatMs(74), formatMs(6200), formatMs(62_000)]).toEqual([
      '0.4 ms',
      '74 ms',
      '6.2 s',
      '62 s',
    ]);
  });

  test('different lists never give the same digest by shifting their borders', () => {
    expect(digestOf('ab', 'c')).not.toBe(digestOf('a', 'bc'));
    expect(digestOf('1')).not.toBe(digestOf(1));
    expect(digestOf(null)).not.toBe(digestOf('null'));
    expect(digestOf('ab')).toBe(digestOf('ab'));
  });
});
