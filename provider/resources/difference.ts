import { hasUnknown, UNKNOWN } from '../core/resource.ts';

/** Whether two values are equal, or may be, while something in them is unknown. Absent and null are the same. */
export function sameness(a: unknown, b: unknown): 'same' | 'different' | 'unknown' {
  if (a === UNKNOWN || b === UNKNOWN) return 'unknown';
  if (isAbsent(a) || isAbsent(b)) return isAbsent(a) && isAbsent(b) ? 'same' : emptyOrUnknown(a, b);
  if (typeof a !== 'object' || typeof b !== 'object') return Object.is(a, b) ? 'same' : 'different';
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  if (Array.isArray(a) !== Array.isArray(b)) return 'different';
  const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
  let result: 'same' | 'unknown' = 'same';
  for (const key of keys) {
    const one = sameness(left[key], right[key]);
    if (one === 'different') return 'different';
    if (one === 'unknown') result = 'unknown';
  }
  return result;
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

function emptyOrUnknown(a: unknown, b: unknown): 'different' | 'unknown' {
  return hasUnknown(a) || hasUnknown(b) ? 'unknown' : 'different';
}
