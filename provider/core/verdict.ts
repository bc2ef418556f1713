import type { Comparison, Difference } from './fingerprint.ts';

/** `identical` (bytes), `equivalent` (all that counts is equal), `drifted` (something that counts differs), `unverified`. */
export type Verdict = 'identical' | 'equivalent' | 'drifted' | 'unverified';

/** What equality of a driver's fingerprints means: every byte and attribute, or all that counts. */
export type Fidelity = 'identical' | 'equivalent';

/** What a Restore insists on: at least this verdict, or only the report. */
export type Verify = 'identical' | 'equivalent' | 'report';

const RANK: Readonly<Record<Verdict, number>> = { identical: 0, equivalent: 1, unverified: 2, drifted: 3 };

export interface MemberDifference extends Difference {
  readonly member: string;
}

export function verdictOf(comparison: Comparison, fidelity: Fidelity): Verdict {
  return comparison.differenceCount > 0 ? 'drifted' : fidelity;
}

/** The verdict of the whole is that of its worst member; nothing compared is unverified. */
export function worstVerdict(verdicts: readonly Verdict[]): Verdict {
  let worst: Verdict | undefined;
  for (const verdict of verdicts) if (worst === undefined || RANK[verdict] > RANK[worst]) worst = verdict;
  return worst ?? 'unverified';
}

export function satisfies(verdict: Verdict, verify: Verify): boolean {
  return verify === 'report' || RANK[verdict] <= RANK[verify];
}
