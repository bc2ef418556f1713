import type { Context } from '../core/context.ts';
import type { Egress } from '../core/controls.ts';
import type { RestorePlan } from '../core/driver.ts';
import { type StasisError as Problem, StasisError } from '../core/errors.ts';
import type { Store } from '../core/store.ts';
import type { Verify } from '../core/verdict.ts';
import { within } from '../core/wait.ts';
import type { OpenSnapshot } from './compare.ts';
import { egressProblems } from './egress.ts';
import { atMember, type Member } from './member.ts';
import { sharedIdentities } from './plan.ts';

export interface RestoreRequest {
  /** Equal for the same restore, also after lost state: the targets remember it. */
  readonly restoreId: string;
  readonly snapshot: OpenSnapshot;
  readonly store: Store;
  /** Targets, by the names that the members have in the snapshot. */
  readonly members: readonly Member[];
  readonly verify: Verify;
  readonly overwrite: boolean;
  /** With `overwrite`: take a sealed snapshot of a target that is not empty first. */
  readonly safetySnapshot: boolean;
  readonly expiry: 'absolute' | 'remaining';
  /** Whether what is restored may speak to the outside once it is released. `open` unless said. */
  readonly egress?: Egress;
  /** Bring back what lay in caches before the release, where memory itself is not restored. Not unless said. */
  readonly warm?: boolean;
  readonly createdBy: string;
}

export interface PlannedRestore {
  readonly problems: readonly Problem[];
  readonly members: ReadonlyMap<string, RestorePlan>;
}

/** A target that cannot be looked at within this is reported as out of reach. */
const PLAN_MS = 30_000;

/** Reads only. */
export async function planRestore(request: RestoreRequest, context: Context): Promise<PlannedRestore> {
  const problems: Problem[] = [...mismatches(request)];
  const plans = new Map<string, RestorePlan>();
  await Promise.all(
    request.members.map(async (member) => {
      const from = request.snapshot.manifest.members[member.name];
      if (from === undefined || from.driver !== member.driver.name) return;
      try {
        const plan = await within(PLAN_MS, `looking at ${member.name}`, context.signal, (signal) =>
          member.driver.planRestore(member.spec, member.host, from, { ...context, signal }),
        );
        plans.set(member.name, plan);
        problems.push(...plan.problems.map((problem) => atMember(member, problem)));
        if (!mayFill(plan, request)) problems.push(notEmpty(member));
      } catch (error) {
        problems.push(atMember(member, error));
      }
    }),
  );
  problems.push(...egressProblems(request.members, request.egress, request.snapshot.manifest.members));
  problems.push(...sharedIdentities(request.members, (name) => plans.get(name)?.identities ?? []));
  return { problems, members: plans };
}

/** The snapshot's members and the targets have to be the same set, each with the same driver. */
function mismatches(request: RestoreRequest): Problem[] {
  const problems: Problem[] = [];
  const captured = request.snapshot.manifest.members;
  const targets = new Map(request.members.map((member) => [member.name, member]));
  for (const [name, member] of targets) {
    const from = captured[name];
    if (from === undefined)
      problems.push(
        new StasisError('restore.no-member', `The snapshot has no member "${name}".`, {
          hint: `It has ${Object.keys(captured).join(', ')}.`,
          at: ['members', name],
        }),
      );
    else if (from.driver !== member.driver.name)
      problems.push(
        new StasisError(
          'restore.other-driver',
          `"${name}" was captured by ${from.driver}, the target is ${member.driver.name}.`,
          {
            at: ['members', name, member.driver.name],
          },
        ),
      );
  }
  for (const name of Object.keys(captured))
    if (!targets.has(name))
      problems.push(
        new StasisError('restore.no-target', `The snapshot's member "${name}" has no target.`, {
          hint: 'Name a target for every member, or the application would come back in part.',
          at: ['members'],
        }),
      );
  return problems;
}

function mayFill(plan: RestorePlan, request: RestoreRequest): boolean {
  return plan.empty || request.overwrite || plan.restoredBy === request.restoreId;
}

function notEmpty(member: Member): Problem {
  return new StasisError('restore.target-not-empty', `The target of "${member.name}" is not empty.`, {
    hint: 'Give an empty target, or set overwrite to replace what is there.',
    at: ['members', member.name, member.driver.name],
  });
}
