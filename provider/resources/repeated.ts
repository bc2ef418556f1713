import type { z } from 'zod';
import { formatAge, parseDuration } from '../core/duration.ts';
import { StasisError } from '../core/errors.ts';
import { type PlannedChange, type ResourceState, UNKNOWN, type Values } from '../core/resource.ts';
import { sameness } from './difference.ts';

/** What is done again once it is older than `maxAge`: a drill, a comparison. */
export interface Repeated {
  /** What it is called: `drill`. Also the first part of the code. */
  readonly what: string;
  /** ISO 8601; anything else where it was never done, as after an import. */
  readonly lastAt: unknown;
  readonly maxAge: unknown;
}

/** That the last one is older than it may be, in words: a warning. */
export function dueProblem({ what, lastAt, maxAge }: Repeated, nowMs: number): StasisError | undefined {
  const maxAgeMs = typeof maxAge === 'string' ? parseDuration(maxAge) : undefined;
  const ageMs = nowMs - Date.parse(String(lastAt));
  if (maxAgeMs === undefined || Number.isNaN(ageMs) || ageMs <= maxAgeMs) return undefined;
  return new StasisError(
    `${what}.due`,
    `A new ${what} is due: the last one is ${formatAge(ageMs)} old, and ${String(maxAge)} is allowed.`,
    { hint: 'Apply to do it.', at: ['maxAge'], severity: 'warning' },
  );
}

/** The plan of a resource that keeps what it found until it is done again. */
export function planRepeated(
  { prior, stored, outputs }: { prior?: ResourceState | undefined; stored: Values; outputs: z.ZodObject },
  again: 'yes' | 'no' | 'unknown',
  problems: readonly StasisError[],
): PlannedChange {
  const kept = prior !== undefined && again === 'no' ? prior : undefined;
  const unchanged = kept !== undefined && sameness(kept.stored, stored) === 'same';
  return {
    action: prior === undefined ? 'create' : unchanged ? 'none' : 'update',
    replace: [],
    id: prior?.id ?? UNKNOWN,
    stored,
    outputs: kept?.outputs ?? Object.fromEntries(Object.keys(outputs.shape).map((key) => [key, UNKNOWN])),
    problems,
  };
}
