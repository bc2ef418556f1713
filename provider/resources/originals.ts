import type { z } from 'zod';
import type { Member } from '../coordinator/member.ts';
import { underOriginal } from '../coordinator/member.ts';
import type { Driver } from '../core/driver.ts';
import type { StasisError } from '../core/errors.ts';
import type { Values } from '../core/resource.ts';
import { membersSchema, resolveMembers, storedMembers } from './members.ts';
import type { Services } from './services.ts';

/** The input that says where the members of a snapshot run. */
export function originalInput(drivers: readonly Driver[], summary: string): z.ZodType {
  return membersSchema(
    drivers,
    `Where the members of the snapshot run, as the Snapshot names them. ${summary}`,
  ).optional();
}

/** Those that are named, what is wrong with them in itself, and whether all of them are known yet. */
export function originalsOf(
  services: Services,
  { original }: Values,
): { readonly originals: Member[]; readonly problems: StasisError[]; readonly complete: boolean } {
  const { members, problems, complete } = resolveMembers(services, original);
  return { originals: members, problems: problems.map(underOriginal), complete };
}

/** What a state keeps of inputs that name members, and may name their originals. */
export function storedInputs(services: Services, inputs: Values): Values {
  const stored = { ...inputs, members: storedMembers(services, inputs.members) };
  return 'original' in inputs ? { ...stored, original: storedMembers(services, inputs.original) } : stored;
}
