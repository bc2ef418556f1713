import type { Place } from '../../../core/errors.ts';

/** A place as Pulumi writes paths of properties: `members.orders.postgres.url`, `coverage[0]`, `members["my web"]`. */
export function formatPath(place: Place): string {
  return place
    .map((step, index) => {
      if (/^\d+$/.test(step) && index > 0) return `[${step}]`;
      if (/^[A-Za-z_$][\w$-]*$/.test(step)) return index === 0 ? step : `.${step}`;
      return `[${JSON.stringify(step)}]`;
    })
    .join('');
}
