import type { z } from 'zod';
import type { Context } from './context.ts';
import { type Place, StasisError } from './errors.ts';

/** A value that only an apply will tell; legal anywhere in planned inputs and outputs. */
export const UNKNOWN: unique symbol = Symbol('stasis.unknown');
export type Unknown = typeof UNKNOWN;

/** Values by name as a user writes them in YAML: camelCase attributes, JSON values, `UNKNOWN` where not known. */
export type Values = Readonly<Record<string, unknown>>;

export function hasUnknown(value: unknown): boolean {
  if (value === UNKNOWN) return true;
  if (Array.isArray(value)) return value.some(hasUnknown);
  return typeof value === 'object' && value !== null && Object.values(value).some(hasUnknown);
}

/**
 * What an engine keeps of a resource. `stored` are its inputs as the user wrote them, secrets removed (absent) and
 * computed ones filled in (a member's `endpoint`); absent where the user wrote nothing. After an import it is empty
 * except for what identifies the resource.
 */
export interface ResourceState {
  readonly id: string;
  readonly stored: Values;
  readonly outputs: Values;
  /** It was imported and never applied, and the engine filled `stored` in from what it knows besides. */
  readonly imported?: boolean;
}

/** The same error, of an apply that did a part of what it had to: `state` is what there is now. */
export function halfDone(error: StasisError, state: ResourceState): StasisError {
  const { code, message, hint, at, severity, details, cause } = error;
  return new StasisError(code, message, {
    ...{ hint, at, severity, cause },
    details: { ...details, [BEGUN]: state },
  });
}

/** What there is after an error that is `halfDone`. */
export function halfDoneState(thrown: unknown): ResourceState | undefined {
  if (!(thrown instanceof StasisError)) return undefined;
  return thrown.details[BEGUN] as ResourceState | undefined;
}

const BEGUN = 'begun';

export interface Change {
  /** Absent on create. */
  readonly prior?: ResourceState;
  /** What the user wrote, with secrets, and with `UNKNOWN` for what is not known yet (never in `apply`). */
  readonly inputs: Values;
}

export interface PlannedChange {
  readonly action: 'create' | 'update' | 'replace' | 'none';
  /** The inputs that force a replacement. */
  readonly replace: readonly Place[];
  readonly id: string | Unknown;
  readonly stored: Values;
  /** Every output, `UNKNOWN` where only the apply will tell. */
  readonly outputs: Values;
  /** Errors and warnings, each at the user's own attribute. An error means that an apply would fail. */
  readonly problems: readonly StasisError[];
  /** What an apply is expected to move and to pause, where members were looked at. */
  readonly estimate?: Estimate;
}

/** Expected, not promised: members go on changing. */
export interface Estimate {
  readonly sizeBytes: number;
  readonly pauseMs: number;
  readonly members: Readonly<Record<string, { readonly sizeBytes: number; readonly pauseMs: number }>>;
}

/**
 * A resource, declared once: engines, schemas, docs and the command line are made from it. Inputs and outputs are
 * zod objects; every field has `.describe()`. Conventions read by the schema makers:
 * `.optional()` is optional; `.meta({ secret: true })` must never be stored; `.meta({ computed: true })` on an input
 * is filled in by us; `z.record(z.string(), …)` is a map; `z.object` is nested; `z.enum`, `z.string`, `z.number`,
 * `z.boolean`, `z.array` are as they say. Defaults are applied by code, never stored.
 */
export interface ResourceDefinition {
  /** `Snapshot`; `stasis_snapshot` in Terraform. */
  readonly name: string;
  readonly summary: string;
  readonly inputs: z.ZodObject;
  readonly outputs: z.ZodObject;
  readonly examples: readonly Example[];
  /** An id as `importState` takes it, for the docs. */
  readonly exampleId: string;
  /** What is wrong with inputs that shows in them alone: without contact to anything. */
  check(inputs: Values): readonly StasisError[];
  /** Without contact to any member when nothing changes. */
  plan(change: Change, context: Context): Promise<PlannedChange>;
  /**
   * Create and update in one. On error what was there before is as it was, unless the error is `halfDone`: then an
   * apply with that state goes on where it ended.
   */
  apply(change: Change, context: Context): Promise<ResourceState>;
  /** What is there now; undefined when it is gone. Needs no member. @throws when the store cannot be reached. */
  read(
    prior: ResourceState,
    context: Context,
  ): Promise<{ readonly state: ResourceState; readonly problems: readonly StasisError[] } | undefined>;
  /** From an id that a user typed. Writes nothing: engines call it in previews, and to look a resource up. */
  importState(id: string, context: Context): Promise<ResourceState>;
  delete(prior: ResourceState, context: Context): Promise<readonly StasisError[]>;
}

/** A look-up: `getSnapshot`; `data "stasis_snapshot"` in Terraform. */
export interface FunctionDefinition {
  readonly name: string;
  /** Under which name it is a Terraform data source: `snapshot`. */
  readonly dataSource: string;
  readonly summary: string;
  readonly inputs: z.ZodObject;
  readonly outputs: z.ZodObject;
  readonly examples: readonly Example[];
  call(inputs: Values, context: Context): Promise<Values>;
}

export interface Example {
  readonly title: string;
  /** The resource's inputs, as in YAML. */
  readonly inputs: Values;
}

/** Registers a resource of ours by its definition's name and its own, with its inputs; gives its outputs. */
export type Register = (resource: string, name: string, inputs: Values) => Promise<Values>;

/**
 * Several resources of ours under one name, for engines that have such a thing. `build` moves values from place to
 * place and never looks into them: they may be unknown, secret or whatever else the engine hands over.
 */
export interface ComponentDefinition {
  readonly name: string;
  readonly summary: string;
  readonly inputs: z.ZodObject;
  readonly outputs: z.ZodObject;
  readonly examples: readonly Example[];
  /** Registers what the component consists of, and returns its outputs. `name` is the component's own. */
  build(name: string, inputs: Values, register: Register): Promise<Values>;
}

/** What an engine serves: made anew for each provider configuration. */
export interface Catalog {
  readonly resources: readonly ResourceDefinition[];
  readonly functions: readonly FunctionDefinition[];
  readonly components: readonly ComponentDefinition[];
}

/** The provider: its configuration, and the catalog that follows from it. The schema of the catalog never depends on the configuration. */
export interface ProviderDefinition {
  readonly version: string;
  readonly configuration: z.ZodObject;
  /** Problems of a configuration, each at its attribute. */
  check(configuration: Values): readonly StasisError[];
  catalog(configuration: Values): Catalog;
}
