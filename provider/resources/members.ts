import { z } from 'zod';
import type { Member } from '../coordinator/member.ts';
import type { Driver, FieldRole } from '../core/driver.ts';
import { driverChoiceProblem } from '../core/driver-choice.ts';
import { StasisError } from '../core/errors.ts';
import type { Host } from '../core/host.ts';
import { hasUnknown, type ResourceState, UNKNOWN, type Unknown, type Values } from '../core/resource.ts';
import { metaOf, problemsOf } from '../core/schema.ts';
import { sameness } from './difference.ts';
import type { Services } from './services.ts';

/** What is stored of a member: which driver, where it is, what of it is captured. */
export interface StoredMember {
  readonly driver: string;
  readonly endpoint: unknown;
  readonly selection: Values;
}

const ENDPOINT = z
  .string()
  .optional()
  .describe('Where the member is, without user, password and options. Computed.')
  .meta({ computed: true });

const HOST = z
  .string()
  .optional()
  .describe(
    "Name of the host that the member is on, of those in the provider's configuration: there its URL is resolved and its commands run. Default: the machine that Stasis runs on.",
  )
  .meta({ role: 'access', open: true });

/** Members by name, each with exactly one driver by its key. */
export function membersSchema(drivers: readonly Driver[], summary: string): z.ZodType {
  const fields: Record<string, z.ZodType> = {};
  for (const driver of drivers)
    fields[driver.name] = z
      .strictObject({ ...driver.spec.shape, host: HOST, endpoint: ENDPOINT })
      .meta({ typeName: `${driver.name.replace(/^./, (first) => first.toUpperCase())}Member` })
      .optional()
      .describe(driver.summary);
  return z
    .record(
      z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/, MEMBER_NAME),
      z.strictObject(fields).meta({ typeName: 'Member', exactlyOne: true }),
    )
    .describe(summary);
}

const MEMBER_NAME =
  'A member name has up to 63 letters, digits, "-" and "_", and starts with a letter or digit';

/** The members with their drivers; problems are placed at the user's attribute. Unknown specs are left out. */
export function resolveMembers(
  services: Services,
  members: unknown,
): { readonly members: Member[]; readonly problems: StasisError[]; readonly complete: boolean } {
  const found: Member[] = [];
  const problems: StasisError[] = [];
  let complete = true;
  for (const [name, value] of entriesOf(members)) {
    if (value === UNKNOWN) {
      complete = false;
      continue;
    }
    const chosen = chooseDriver(services.drivers, name, value);
    if (chosen instanceof StasisError) problems.push(chosen);
    else {
      const at = ['members', name, chosen.driver.name];
      const host = hostOf(services, chosen.host);
      if (host instanceof StasisError) problems.push(host.within(...at));
      if (hasUnknown(chosen.spec) || host === UNKNOWN) complete = false;
      else {
        const faults = problemsOf(chosen.driver.spec, chosen.spec);
        problems.push(...faults.map((fault) => fault.within(...at)));
        if (faults.length === 0 && !(host instanceof StasisError))
          found.push({
            name,
            driver: chosen.driver,
            spec: chosen.driver.spec.parse(chosen.spec),
            host,
          });
      }
    }
  }
  return { members: found, problems, complete: complete && members !== UNKNOWN };
}

/** The host that a member names; ours where it names none. */
function hostOf(services: Services, name: unknown): Host | StasisError | Unknown {
  if (name === undefined || name === null) return services.host;
  if (name === UNKNOWN) return UNKNOWN;
  const said = Object.hasOwn(services.hosts, String(name)) ? services.hosts[String(name)] : undefined;
  if (said === undefined) return noSuchHost(services, String(name));
  return hasUnknown(said) ? UNKNOWN : services.hostType.open(String(name), said);
}

function noSuchHost(services: Services, name: string): StasisError {
  const names = Object.keys(services.hosts);
  return new StasisError('member.no-host', `There is no host "${name}".`, {
    hint:
      names.length === 0
        ? "Say under hosts in the provider's configuration how it is reached."
        : `The provider's configuration has ${names.join(', ')}.`,
    at: ['host'],
  });
}

/** What is wrong with a resource's inputs that shows in them alone. */
export function inputProblems(services: Services, inputs: z.ZodObject, values: Values): StasisError[] {
  const problems = problemsOf(inputs, values);
  const known = new Set(problems.map(({ at }) => at.join('\n')));
  const { problems: more } = resolveMembers(services, values.members);
  return [...problems, ...more.filter(({ at }) => !known.has(at.join('\n')))];
}

function entriesOf(members: unknown): [string, unknown][] {
  return typeof members === 'object' && members !== null ? Object.entries(members) : [];
}

/** The one driver that a member's value names, with its spec (without the computed endpoint). */
function chooseDriver(
  drivers: readonly Driver[],
  name: string,
  value: unknown,
): { readonly driver: Driver; readonly spec: Values; readonly host: unknown } | StasisError {
  const given = entriesOf(value).filter(([, spec]) => spec !== undefined && spec !== null);
  const named = drivers.filter((driver) => given.some(([key]) => key === driver.name));
  const namesOf = (some: readonly Driver[]) => some.map((driver) => driver.name);
  const problem = driverChoiceProblem(name, namesOf(named), namesOf(drivers));
  if (problem !== undefined) return problem;
  const driver = named[0]!;
  const spec = given.find(([key]) => key === driver.name)![1];
  if (spec === UNKNOWN) return { driver, spec: { unknown: UNKNOWN }, host: UNKNOWN };
  const { host, ...rest } = spec as Values;
  return { driver, spec: withoutComputed(driver, rest), host };
}

/** The driver of a member, where it names one that is known. */
export function driverOf(services: Services, name: string, value: unknown): Driver | undefined {
  const chosen = value === UNKNOWN ? undefined : chooseDriver(services.drivers, name, value);
  return chosen === undefined || chosen instanceof StasisError ? undefined : chosen.driver;
}

/** Only what the user wrote: absent stays absent, nulls and computed fields go. */
function withoutComputed(driver: Driver, spec: Values): Values {
  const kept = Object.entries(spec).filter(
    ([key, value]) =>
      value !== undefined && value !== null && (key !== 'endpoint' || 'endpoint' in driver.spec.shape),
  );
  return Object.fromEntries(kept);
}

/**
 * A resource's `members` as an engine stores them: secrets gone, the endpoint filled in, `UNKNOWN` where it follows
 * from something unknown.
 */
export function storedMembers(services: Services, members: unknown): unknown {
  if (members === UNKNOWN || members === undefined || members === null) return members;
  return Object.fromEntries(
    entriesOf(members).map(([name, value]) => [name, storedMember(services, name, value)]),
  );
}

function storedMember(services: Services, name: string, value: unknown): unknown {
  if (value === UNKNOWN) return UNKNOWN;
  const chosen = chooseDriver(services.drivers, name, value);
  if (chosen instanceof StasisError) return value;
  const { driver, spec, host } = chosen;
  if ('unknown' in spec) return { [driver.name]: UNKNOWN };
  // What the driver does not know may be a misspelt secret.
  const kept = Object.entries(spec).filter(([key]) => {
    const field = driver.spec.shape[key];
    return field !== undefined && !metaOf(field).secret;
  });
  const named = host === undefined || host === null ? {} : { host };
  const endpoint = endpointFrom(services, host, endpointOf(driver, spec));
  return { [driver.name]: { ...Object.fromEntries(kept), ...named, endpoint } };
}

/** Seen from another machine, the same URL is another place. How that machine is logged in to does not count. */
function endpointFrom(services: Services, host: unknown, endpoint: unknown): unknown {
  if (host === undefined || host === null) return endpoint;
  const said =
    typeof host === 'string' && Object.hasOwn(services.hosts, host) ? services.hosts[host] : UNKNOWN;
  const place = services.hostType.locate(said);
  return endpoint === UNKNOWN || place === UNKNOWN ? UNKNOWN : `${endpoint} from ${String(place)}`;
}

/** The endpoint follows from the fields that say how to reach the member; while one of them is unknown, so is it. */
function endpointOf(driver: Driver, spec: Values): unknown {
  const reaching = Object.entries(spec).filter(([key]) => {
    const { role } = metaOf(driver.spec.shape[key] ?? z.unknown());
    return role === 'access' || role === 'endpoint';
  });
  if (reaching.some(([, value]) => hasUnknown(value))) return UNKNOWN;
  const parsed = driver.spec.safeParse(
    Object.fromEntries(Object.entries(spec).filter(([, value]) => !hasUnknown(value))),
  );
  return parsed.success ? driver.endpoint(parsed.data) : UNKNOWN;
}

/** What of the stored members decides whether to capture again: drivers, endpoints and selections. */
export function identityOf(services: Services, stored: unknown): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    entriesOf(stored).map(([name, value]) => {
      const chosen = value === UNKNOWN ? undefined : chooseDriver(services.drivers, name, value);
      if (chosen === undefined || chosen instanceof StasisError) return [name, UNKNOWN];
      return [name, identityOfMember(chosen.driver, value as Values)];
    }),
  );
}

/** Of the stored members what decides how those that a restore has let go are connected. */
export function connectionsOf(services: Services, stored: unknown): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    entriesOf(stored).map(([name, value]) => {
      const chosen = value === UNKNOWN ? undefined : chooseDriver(services.drivers, name, value);
      if (chosen === undefined || chosen instanceof StasisError) return [name, UNKNOWN];
      const spec = (value as Values)[chosen.driver.name];
      return [name, spec === UNKNOWN ? UNKNOWN : fieldsOfRole(chosen.driver, spec as Values, 'network')];
    }),
  );
}

function fieldsOfRole(driver: Driver, spec: Values, role: FieldRole): Values {
  const fields = Object.entries(spec).filter(([key, value]) => {
    const field = driver.spec.shape[key];
    return field !== undefined && metaOf(field).role === role && value !== null && value !== undefined;
  });
  return Object.fromEntries(fields);
}

function identityOfMember(driver: Driver, value: Values): unknown {
  const spec = value[driver.name];
  if (spec === UNKNOWN) return UNKNOWN;
  const selection = fieldsOfRole(driver, spec as Values, 'selection');
  return { driver: driver.name, endpoint: (spec as Values).endpoint, selection } satisfies StoredMember;
}

/**
 * Whether a Snapshot captures or a Restore restores once more: only after a change of triggers, of the set of members,
 * or of a member's endpoint or selection. After an import nothing is known of the members, and the first apply takes
 * over what the user wrote.
 */
export function actsAgain(
  services: Services,
  prior: ResourceState,
  stored: Values,
): 'yes' | 'no' | 'unknown' {
  if (prior.stored.members === undefined || prior.stored.members === null) return 'no';
  const results = [
    sameness(prior.stored.triggers ?? {}, stored.triggers ?? {}),
    sameness(identityOf(services, prior.stored.members), identityOf(services, stored.members)),
  ];
  if (results.includes('different')) return 'yes';
  return results.includes('unknown') ? 'unknown' : 'no';
}
