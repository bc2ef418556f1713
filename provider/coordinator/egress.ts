import type { Context } from '../core/context.ts';
import type { Egress } from '../core/controls.ts';
import { StasisError } from '../core/errors.ts';
import type { MemberCapture } from '../core/manifest.ts';
import { within } from '../core/wait.ts';
import { atMember, type Member } from './member.ts';

const SET_MS = 60_000;

/**
 * What `blocked` cannot keep: a warning for a member whose server is not ours, an error for one that cannot be blocked
 * as it was captured. Pure.
 */
export function egressProblems(
  members: readonly Member[],
  egress: Egress | undefined,
  captured: Readonly<Record<string, MemberCapture>>,
): StasisError[] {
  if (egress !== 'blocked') return [];
  return members.flatMap((member) => {
    const { driver } = member;
    const from = captured[member.name];
    if (driver.egress)
      return (from ? (driver.egress.obstacles?.(from) ?? []) : []).map((problem) =>
        atMember(member, problem),
      );
    return driver.traits.inert ? [] : [notBlocked(member)];
  });
}

/** Whatever a server does of its own accord (replication, foreign tables, extensions), it does for all that it holds. */
function notBlocked({ name, driver }: Member): StasisError {
  return new StasisError(
    'restore.egress-not-blocked',
    `"${name}" is restored into a server that runs already: what that server sends to others is not blocked.`,
    {
      hint: 'Look whether it replicates, has foreign tables or calls out by an extension; those who use it are blocked where they are members.',
      at: ['members', name, driver.name],
      severity: 'warning',
    },
  );
}

/**
 * Blocks or opens what a restore has released, while it runs. All members are tried, so that one that is out of reach
 * does not leave the others as they were.
 */
export async function setEgress(
  members: readonly Member[],
  egress: Egress,
  restoreId: string,
  context: Context,
): Promise<void> {
  context.progress({
    step: 'release',
    message: egress === 'open' ? 'opening the way out' : 'blocking the way out',
  });
  const outcomes = await Promise.allSettled(
    members.map(async (member) => {
      const { driver, spec, host } = member;
      try {
        await within(SET_MS, `setting the egress of ${member.name}`, context.signal, async (signal) =>
          driver.egress?.set(spec, host, egress, restoreId, { ...context, signal }),
        );
      } catch (error) {
        throw atMember(member, error);
      }
    }),
  );
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed) throw failed.reason;
}
