import type { MemberDifference } from '../../../provider/core/verdict.ts';
import type { Drift } from './drift.ts';

/** How one change came out. */
export interface Outcome {
  readonly driver: string;
  readonly drift: Drift;
  /** As the comparison named them, with what it says of each. */
  readonly named: readonly MemberDifference[];
  readonly verdict: 'caught' | 'misnamed' | 'missed' | 'unseen' | 'quiet' | 'false alarm';
}

/** What a comparison's naming is worth: it has to name what was changed, and nothing else. */
export function judged(drift: Drift, named: readonly MemberDifference[]): Outcome['verdict'] {
  if (drift.harmless) return named.length === 0 ? 'quiet' : 'false alarm';
  // What is said not to show and does: then the docs are wrong.
  if (drift.unseen !== undefined) return named.length === 0 ? 'unseen' : 'misnamed';
  if (named.length === 0) return 'missed';
  const objects = named.map(({ object }) => object);
  const all = drift.objects.every((expected) => objects.some((object) => isAt(expected, object)));
  const others = objects.filter((object) => !isExpected(drift, object) && !drift.besides?.test(object));
  return all && others.length === 0 && areRowsSaid(drift, named) ? 'caught' : 'misnamed';
}

/** Whether an object is one of those that were changed. */
export function isExpected(drift: Drift, object: string): boolean {
  return drift.objects.some((expected) => isAt(expected, object));
}

function areRowsSaid({ rows, objects }: Drift, named: readonly MemberDifference[]): boolean {
  if (rows === undefined) return true;
  const { message } = named.find(({ object }) => isAt(objects[0]!, object))!;
  return message === rows || message.endsWith(`; ${rows}`);
}

function isAt(expected: string | RegExp, object: string): boolean {
  return typeof expected === 'string' ? expected === object : expected.test(object);
}

export function said(differences: readonly MemberDifference[]): string {
  return differences
    .slice(0, 6)
    .map(({ object, message }) => `[${object}: ${message}]`)
    .join(' ');
}
