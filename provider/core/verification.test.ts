import { describe, expect, test } from '@jest/globals';
import { held, marked, paused, shop } from '../../test/support/manifest.ts';
import type { Manifest } from './manifest.ts';
import { rejudge } from './verification.ts';

const honest = shop(
  { orders: [marked(2, 2.4)], sessions: [held('locked', 0.5, 5.4)], receipts: [held('still', 0.1, 6)] },
  [paused('sessions', 0.4, 5.3)],
);

describe('judging a stored snapshot again', () => {
  test('finds nothing where the manifest says what its certificate proves', () => {
    expect(rejudge(honest)).toEqual([]);
  });

  test('finds nothing in a snapshot that owns up to its blur', () => {
    const blurred = shop({
      orders: [marked(1, 2)],
      sessions: [marked(300, 301)],
      receipts: [held('still', 0.5, 400)],
    });
    expect(blurred.sharp).toBe(false);
    expect(rejudge(blurred)).toEqual([]);
  });

  const answered = (askedMs: number, answeredMs: number): Manifest => ({
    ...honest,
    probes: {
      told: {
        member: 'sessions',
        question: { kind: 'redis', words: ['GET', 'sold'] },
        comparison: { rows: 'unordered' },
        timeoutMs: 5_000,
        tie: 'hold',
        ...{ askedNs: askedMs * 1e6, answeredNs: answeredMs * 1e6 },
        answer: { digest: `sha256-64k:${'ab'.repeat(32)}`, sizeBytes: 20, rows: 1 },
      },
    },
  });

  test('believes an answer that was given within a hold, and no other', () => {
    expect(rejudge(answered(0.5, 5.4))).toEqual([]);
    for (const [from, to] of [
      [0.4, 1],
      [5, 5.5],
      [2, 1],
    ] as const)
      expect(rejudge(answered(from, to))).toEqual([
        { code: 'certificate', members: ['sessions'], message: expect.stringContaining('"told"') },
      ]);
  });

  const torn = [held('locked', 0.5, 1)];
  test.each<[string, Partial<Manifest>, RegExp]>([
    [
      'a hold that was shorter than it should have been',
      { certificate: { ...honest.certificate, members: { ...honest.certificate.members, sessions: torn } } },
      /says sharp, its certificate proves not sharp/,
    ],
    ['another blur', { blurMs: 3 }, /says blur 3\.0 ms, its certificate proves blur 0\.0 ms/],
    ['another pause', { pauseMs: 1 }, /says paused 1\.0 ms, its certificate 4\.9 ms/],
    ['another time of the cut', { cutAt: '2026-11-23T07:03:11.000Z' }, /another time of the cut/],
    [
      'a member that was never tied',
      { members: { ...honest.members, extra: honest.members.orders! } },
      /"extra"/,
    ],
    ['a tie of no member', { members: { orders: honest.members.orders! } }, /"sessions" that is not there/],
  ])('finds %s', (_name, change, expected) => {
    const findings = rejudge({ ...honest, ...change });
    expect(findings.length).toBeGreaterThan(0);
    expect(findings.map(({ message }) => message).join('\n')).toMatch(expected);
  });
});
