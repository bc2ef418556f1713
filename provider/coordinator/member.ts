import type { Driver, Session } from '../core/driver.ts';
import { StasisError, toStasisError } from '../core/errors.ts';
import type { Host } from '../core/host.ts';

/** A member as the coordinator works with it: its driver, its validated spec, and where its commands run. */
export interface Member {
  readonly name: string;
  readonly driver: Driver;
  readonly spec: unknown;
  readonly host: Host;
}

/** Where a member is, without secrets: equal for the same system exactly. The same words mean another one on another host. */
export function placeOf({ driver, spec, host }: Member): string {
  const endpoint = driver.endpoint(spec);
  return host.place === undefined ? endpoint : `${endpoint} from ${host.place}`;
}

/** An error of a member's driver, placed at the member in the user's input. */
export function atMember(member: Member, thrown: unknown): StasisError {
  const error = toStasisError(thrown, `${member.driver.name}.failed`);
  if (error.at[0] === 'members' || error.code === 'cancelled') return error;
  const at = ['members', member.name, member.driver.name];
  if (member.host.reach === undefined || !error.code.startsWith('host.')) return error.within(...at);
  // What is wrong with the machine itself belongs to the attribute that names it.
  const { code, message, hint, severity, details, cause } = error;
  return new StasisError(code, message, { hint, severity, details, cause, at: [...at, 'host'] });
}

/** A member with its capture in progress. */
export interface Participant {
  readonly member: Member;
  readonly session: Session;
}

export interface CutLimits {
  readonly maxPauseMs: number;
  /** 0: sharp or nothing. */
  readonly maxBlurMs: number;
}

/** In the order in which they are stopped, all of one rank together; whatever lets them go does so in reverse. */
export function byRank<T>(items: readonly T[], memberOf: (item: T) => Member): T[][] {
  const ranks = new Map<number, T[]>();
  for (const item of items) {
    const { rank } = memberOf(item).driver.traits;
    ranks.set(rank, [...(ranks.get(rank) ?? []), item]);
  }
  return [...ranks].sort(([a], [b]) => a - b).map(([, found]) => found);
}

/** An error of a member that is named under `original`, placed there. */
export function underOriginal(error: StasisError): StasisError {
  return error.at[0] === 'members' ? error.placedAt(['original', ...error.at.slice(1)]) : error;
}

export function atOriginal(member: Member, thrown: unknown): StasisError {
  return underOriginal(atMember(member, thrown));
}
