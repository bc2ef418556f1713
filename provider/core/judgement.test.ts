import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Certificate, Hold, MarkTie, Smear, Tie } from './certificate.ts';
import { judge } from './judgement.ts';

function certificate(members: Record<string, readonly Tie[]>): Certificate {
  return { formatVersion: 1, startedAt: '2026-11-23T00:00:00.000Z', members, pauses: [] };
}

function hold(fromNs: number, toNs: number, value = 'e1', overrides: Partial<Hold> = {}): Hold {
  return {
    tie: 'hold',
    how: 'still',
    heldFromNs: fromNs,
    heldToNs: toNs,
    readings: [
      { sentNs: Math.max(0, fromNs - 1), acknowledgedNs: fromNs, value },
      { sentNs: toNs, acknowledgedNs: toNs + 1, value },
    ],
    captured: value,
    conditions: [],
    ...overrides,
  };
}

function mark(
  sentNs: number,
  acknowledgedNs: number,
  act: string,
  overrides: Partial<MarkTie> = {},
): MarkTie {
  return { tie: 'mark', sentNs, acknowledgedNs, act, conditions: [], ...overrides };
}

const smear = (fromNs: number, toNs: number): Smear => ({
  tie: 'smear',
  fromNs,
  toNs,
  reason: 'read as it changed',
});

describe('the judgement of a certificate', () => {
  test('one mark alone is sharp', () => {
    expect(judge(certificate({ a: [mark(10, 20, 'x')] }))).toMatchObject({
      sharp: true,
      blurMs: 0,
      cutNs: 15,
    });
  });

  test('two members that are only marked cannot be sharp', () => {
    const judged = judge(certificate({ a: [mark(10, 20, 'x')], b: [mark(12, 22, 'y')] }));
    expect(judged.sharp).toBe(false);
    expect(judged.blurMs).toBe(12e-6);
  });

  test('marks of one act are one mark', () => {
    expect(judge(certificate({ a: [mark(10, 20, 'x'), mark(12, 22, 'x')] })).sharp).toBe(true);
  });

  test('a mark inside all holds is sharp; one that reaches out of them is not', () => {
    expect(judge(certificate({ a: [hold(5, 30)], b: [mark(10, 20, 'x')] })).sharp).toBe(true);
    expect(judge(certificate({ a: [hold(5, 19)], b: [mark(10, 20, 'x')] })).sharp).toBe(false);
    expect(judge(certificate({ a: [hold(11, 30)], b: [mark(10, 20, 'x')] })).sharp).toBe(false);
  });

  test('any number of marks that holds of their own members cover are sharp where the holds meet', () => {
    const covered = (from: number, to: number): Tie[] => [
      mark(from, to, `m${from}`, { epoch: 'e1' }),
      hold(from, to),
    ];
    expect(judge(certificate({ a: covered(5, 30), b: covered(20, 40), c: [mark(22, 25, 'x')] })).sharp).toBe(
      true,
    );
    expect(judge(certificate({ a: covered(5, 10), b: covered(20, 40) })).sharp).toBe(false);
  });

  test('anything smeared is not sharp, and its blur covers the smear and touches the holds', () => {
    const judged = judge(certificate({ a: [smear(100, 200)], b: [hold(10, 50)] }));
    expect(judged).toMatchObject({ sharp: false, blurMs: 150e-6 });
    expect(judge(certificate({ a: [smear(100, 200)], b: [hold(10, 150)] })).blurMs).toBe(100e-6);
  });

  test('a member without a tie, or no member at all, cannot be judged', () => {
    expect(judge(certificate({ a: [] }))).toMatchObject({ sharp: false, blurMs: null, cutNs: null });
    expect(judge(certificate({}))).toMatchObject({ sharp: false, blurMs: null });
  });

  const broken: [string, Hold][] = [
    [
      'unequal readings',
      {
        ...hold(5, 30),
        readings: [
          { sentNs: 4, acknowledgedNs: 5, value: 'e1' },
          { sentNs: 30, acknowledgedNs: 31, value: 'e2' },
        ],
      },
    ],
    ['one reading only', { ...hold(5, 30), readings: [{ sentNs: 4, acknowledgedNs: 5, value: 'e1' }] }],
    ['no reading', { ...hold(5, 30), readings: [] }],
    ['empty readings', hold(5, 30, '')],
    ['time claimed before the first answer', { ...hold(5, 30), heldFromNs: 4 }],
    ['time claimed after the last question', { ...hold(5, 30), heldToNs: 31 }],
    ['a capture of another state', { ...hold(5, 30), captured: 'e0' }],
    [
      'a broken condition',
      hold(5, 30, 'e1', { conditions: [{ claim: 'forks within the lock', expected: '1', observed: '2' }] }),
    ],
    [
      'a reading answered before it was asked for',
      {
        ...hold(5, 30),
        readings: [
          { sentNs: 6, acknowledgedNs: 5, value: 'e1' },
          { sentNs: 30, acknowledgedNs: 31, value: 'e1' },
        ],
      },
    ],
    ['a time that is no number', { ...hold(5, 30), heldToNs: Number.NaN }],
    ['an end before its beginning', { ...hold(5, 30), heldFromNs: 31, heldToNs: 30 }],
    [
      'overlapping readings',
      {
        ...hold(5, 30),
        readings: [
          { sentNs: 1, acknowledgedNs: 5, value: 'e1' },
          { sentNs: 3, acknowledgedNs: 5, value: 'e1' },
          { sentNs: 30, acknowledgedNs: 31, value: 'e1' },
        ],
      },
    ],
  ];
  test.each(broken)('a hold with %s does not count, and is named', (_name, tie) => {
    const judged = judge(certificate({ a: [tie] }));
    expect(judged.blurMs).toBeNull();
    expect(judged.findings[0]).toMatchObject({ member: 'a' });
    expect(judged.findings[0]?.message).toMatch(/does not count/);
  });

  test('a mark with a broken condition does not count', () => {
    const tie = mark(1, 2, 'x', { conditions: [{ claim: 'forks', expected: '1', observed: '2' }] });
    expect(judge(certificate({ a: [tie] })).blurMs).toBeNull();
  });
});

/**
 * A world in which it is known what was true: every member changes at given instants, and ties are honest readings of
 * it at hidden instants inside their intervals. A member's state is the number of its changes so far.
 */
interface World {
  readonly changes: readonly number[][];
  readonly certificate: Certificate;
  readonly captured: readonly number[];
}

const stateAt = (changes: readonly number[], atNs: number): number =>
  changes.filter((change) => change <= atNs).length;
const time = fc.integer({ min: 0, max: 300 });

const member = fc.record({
  changes: fc.array(time, { maxLength: 6 }),
  spans: fc.array(
    fc.record({ at: time, before: fc.integer({ min: 0, max: 15 }), after: fc.integer({ min: 0, max: 15 }) }),
    { minLength: 3, maxLength: 3 },
  ),
  kind: fc.constantFrom('mark', 'hold', 'both'),
});

const world: fc.Arbitrary<World> = fc.array(member, { minLength: 1, maxLength: 4 }).map((members) => {
  const ties = members.map(({ changes, spans, kind }, index) => {
    const [first, middle, last] = spans
      .map(({ at, before, after }) => ({ at: at + 20, from: at + 20 - before, to: at + 20 + after }))
      .sort((a, b) => a.at - b.at);
    const value = (atNs: number): string => `v${stateAt(changes, atNs)}`;
    const readings = [first!, last!].map(({ at, from, to }) => ({
      sentNs: from,
      acknowledgedNs: to,
      value: value(at),
    }));
    const captured = stateAt(changes, middle!.at);
    const tie: Tie[] = [];
    if (kind !== 'hold') tie.push(mark(middle!.from, middle!.to, `act${index}`, { epoch: `v${captured}` }));
    if (kind !== 'mark')
      tie.push({
        ...hold(readings[0]!.acknowledgedNs, readings[1]!.sentNs),
        readings,
        captured: `v${captured}`,
      });
    return { tie, captured };
  });
  return {
    changes: members.map(({ changes }) => changes),
    certificate: certificate(Object.fromEntries(ties.map(({ tie }, index) => [`m${index}`, tie]))),
    captured: ties.map(({ captured }) => captured),
  };
});

describe('in any world whose ties are honest', () => {
  test('a snapshot judged sharp shows one instant that really was', () => {
    let sharp = 0;
    fc.assert(
      fc.property(world, ({ changes, certificate: given, captured }) => {
        const judged = judge(given);
        if (!judged.sharp) return;
        sharp += 1;
        const instants = [0, ...changes.flat(), ...changes.flat().map((at) => at + 0.5)];
        const fits = instants.some((at) =>
          changes.every((own, index) => stateAt(own, at) === captured[index]),
        );
        expect(fits).toBe(true);
      }),
      { numRuns: 5_000 },
    );
    expect(sharp).toBeGreaterThan(300);
  });

  test('a blur covers an instant of every captured state', () => {
    fc.assert(
      fc.property(world, ({ changes, certificate: given, captured }) => {
        const { sharp, blurMs, cutNs } = judge(given);
        if (sharp || blurMs === null || cutNs === null) return;
        const [fromNs, toNs] = [cutNs - (blurMs * 1e6) / 2 - 1e-6, cutNs + (blurMs * 1e6) / 2 + 1e-6];
        for (const [index, own] of changes.entries()) {
          const instants = [fromNs, toNs, ...own.filter((at) => at >= fromNs && at <= toNs)];
          expect(instants.some((at) => stateAt(own, at) === captured[index])).toBe(true);
        }
      }),
      { numRuns: 5_000 },
    );
  });
});
