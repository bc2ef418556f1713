import { StasisError } from './errors.ts';

/**
 * What is wrong with the drivers that a member names, of `all` that there are; undefined where it names exactly one.
 * The one place that says it: the provider asks here, and so do constructs, which know a member before any provider does.
 */
export function driverChoiceProblem(
  member: string,
  named: readonly string[],
  all: readonly string[],
): StasisError | undefined {
  const at = ['members', member];
  if (named.length === 0)
    return new StasisError('member.no-driver', `The member "${member}" has no driver.`, {
      hint: `Name exactly one of ${all.join(', ')}.`,
      at,
    });
  if (named.length > 1)
    return new StasisError(
      'member.two-drivers',
      `The member "${member}" has more than one driver: ${named.join(', ')}.`,
      { hint: 'Make a member of each.', at },
    );
  return undefined;
}
