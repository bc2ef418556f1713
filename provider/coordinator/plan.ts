import { relative } from 'node:path';
import type { Context } from '../core/context.ts';
import type { CapturePlan } from '../core/driver.ts';
import { type StasisError as Problem, StasisError } from '../core/errors.ts';
import type { Store } from '../core/store.ts';
import { within } from '../core/wait.ts';
import { atMember, type CutLimits, type Member } from './member.ts';

/** A member that cannot be looked at within this is reported as out of reach. */
const PLAN_MS = 30_000;

export interface PlannedCapture {
  readonly problems: readonly Problem[];
  readonly members: ReadonlyMap<string, CapturePlan>;
  readonly sizeBytes: number;
  readonly pauseMs: number;
}

/** Reads only. Every problem of every member, each at the user's own attribute. */
export async function planCapture(
  members: readonly Member[],
  store: Store | undefined,
  limits: CutLimits,
  context: Context,
): Promise<PlannedCapture> {
  const problems: Problem[] = [];
  const plans = new Map<string, CapturePlan>();
  if (members.length === 0)
    problems.push(
      new StasisError('members.none', 'A snapshot needs at least one member.', { at: ['members'] }),
    );
  await Promise.all(
    members.map(async (member) => {
      try {
        const plan = await within(PLAN_MS, `looking at ${member.name}`, context.signal, (signal) =>
          member.driver.plan(member.spec, member.host, { ...context, signal }),
        );
        plans.set(member.name, plan);
        problems.push(...plan.problems.map((problem) => atMember(member, problem)));
      } catch (error) {
        problems.push(atMember(member, error));
      }
    }),
  );
  problems.push(...sharedSystems(members, plans));
  const sizeBytes = [...plans.values()].reduce((sum, plan) => sum + plan.sizeBytes, 0);
  const pauseMs = Math.max(0, ...[...plans.values()].map((plan) => plan.pauseMs));
  if (pauseMs > limits.maxPauseMs) problems.push(pauseWarning(pauseMs, limits));
  if (store) {
    problems.push(...(await store.check(sizeBytes, context)).map((problem) => problem.within('store')));
    problems.push(...storeInside(members, plans, store));
  }
  return { problems: inOrder(problems), members: plans, sizeBytes, pauseMs };
}

/** Two members on the same system would be captured twice, at different instants. */
function sharedSystems(members: readonly Member[], plans: ReadonlyMap<string, CapturePlan>): Problem[] {
  return sharedIdentities(members, (name) => plans.get(name)?.identities ?? []);
}

export function sharedIdentities(
  members: readonly Member[],
  identitiesOf: (name: string) => readonly string[],
): Problem[] {
  const owners = new Map<string, Member>();
  const problems: Problem[] = [];
  for (const member of members) {
    const shared = identitiesOf(member.name)
      .map((identity) => owners.get(identity))
      .find((owner) => owner !== undefined);
    for (const identity of identitiesOf(member.name)) owners.set(identity, owners.get(identity) ?? member);
    if (shared)
      problems.push(
        new StasisError(
          'members.same-system',
          `The members "${shared.name}" and "${member.name}" are the same system.`,
          {
            hint: 'Keep one of them.',
            at: ['members', member.name, member.driver.name],
          },
        ),
      );
  }
  return problems;
}

function storeInside(
  members: readonly Member[],
  plans: ReadonlyMap<string, CapturePlan>,
  store: Store,
): Problem[] {
  // A store is on the machine that we are on.
  const inside = members.filter(
    (member) =>
      member.host.place === undefined &&
      (plans.get(member.name)?.folders ?? []).some(
        (folder) => !relative(folder, store.location).startsWith('..'),
      ),
  );
  return inside.map(
    (member) =>
      new StasisError(
        'store.inside-member',
        `The store lies inside the folder that "${member.name}" captures.`,
        {
          hint: 'Put the store elsewhere, or it would capture itself.',
          at: ['store'],
        },
      ),
  );
}

function pauseWarning(pauseMs: number, limits: CutLimits): Problem {
  return new StasisError(
    'cut.pause-estimate',
    `The members would be paused for about ${Math.round(pauseMs)} ms, more than maxPauseMs (${limits.maxPauseMs} ms) allows.`,
    { hint: 'Raise maxPauseMs, or the capture is likely to fail.', at: ['maxPauseMs'], severity: 'warning' },
  );
}

/** By place, so that the same input gives the same report whatever answered first. */
function inOrder(problems: readonly Problem[]): Problem[] {
  return problems.toSorted((a, b) => {
    const [left, right] = [a.at.join('\0') + a.code, b.at.join('\0') + b.code];
    return left < right ? -1 : left > right ? 1 : 0;
  });
}

/** Throws the first error among problems; warnings pass. The others go along as its details. */
export function throwFirstError(problems: readonly Problem[]): void {
  const errors = problems.filter((problem) => problem.severity === 'error');
  const [first] = errors;
  if (first === undefined) return;
  throw errors.length === 1
    ? first
    : new StasisError(first.code, first.message, {
        hint: first.hint,
        at: first.at,
        details: { others: errors.slice(1).map(({ code, message, at }) => ({ code, message, at })) },
        cause: first,
      });
}
