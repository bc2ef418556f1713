import type { Place } from '../../../core/errors.ts';
import { UNKNOWN } from '../../../core/resource.ts';
import { isList, isMap, type Property, type PropertyMap, reveal } from './property.ts';

export interface Difference {
  readonly at: Place;
  readonly kind: 'added' | 'deleted' | 'updated';
}

/**
 * Where two sets of inputs differ, as deep as they can be told apart. Secrets are compared by what they hold. Absent
 * and null are the same; what is unknown differs from everything.
 */
export function differences(
  before: Property | undefined,
  after: Property | undefined,
  at: Place = [],
): readonly Difference[] {
  const old: Property = reveal(before) ?? null;
  const now: Property = reveal(after) ?? null;
  if (old === null && now === null) return [];
  if (old === null) return [{ at, kind: 'added' }];
  if (now === null) return [{ at, kind: 'deleted' }];
  if (isMap(old) && isMap(now)) {
    const keys = [...new Set([...Object.keys(old), ...Object.keys(now)])];
    return keys.flatMap((key) => differences(own(old, key), own(now, key), [...at, key]));
  }
  if (isList(old) && isList(now)) {
    const length = Math.max(old.length, now.length);
    return Array.from({ length }, (_, index) =>
      differences(old[index], now[index], [...at, String(index)]),
    ).flat();
  }
  return Object.is(old, now) && now !== UNKNOWN ? [] : [{ at, kind: 'updated' }];
}

function own(map: PropertyMap, key: string): Property | undefined {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}
