import { z } from 'zod';
import type { FieldRole } from './driver.ts';
import { type Place, StasisError } from './errors.ts';
import { UNKNOWN } from './resource.ts';

/** What our schemas say of a field besides its type; see FieldRole in driver.ts for `role`. */
export interface FieldMeta {
  readonly description?: string;
  readonly role?: FieldRole;
  readonly secret?: boolean;
  readonly computed?: boolean;
  /** Of a field beside a secret one: a name that messages need, which is no secret because its neighbour is one. */
  readonly open?: boolean;
  /** Of an input: an engine that has a name of its own for each resource takes that one where the user gives none. */
  readonly logicalName?: boolean;
  /** Of an object or an enum: what languages with named types call it. Made from where it stands unless said. */
  readonly typeName?: string;
  /** Of an object whose fields are all optional: exactly one of them is given. */
  readonly exactlyOne?: boolean;
}

/** A field's metadata, wherever in its wrappers (optional, default, nullable) it was given. */
export function metaOf(field: z.core.$ZodType): FieldMeta {
  const meta: FieldMeta = (z.globalRegistry.get(field) ?? {}) as FieldMeta;
  const inner = innerOf(field);
  return inner === undefined ? meta : { ...metaOf(inner), ...meta };
}

/** The type inside optional, default and nullable wrappers. */
export function unwrap(field: z.core.$ZodType): z.core.$ZodType {
  const inner = innerOf(field);
  return inner === undefined ? field : unwrap(inner);
}

function innerOf(field: z.core.$ZodType): z.core.$ZodType | undefined {
  if (field instanceof z.ZodOptional || field instanceof z.ZodDefault || field instanceof z.ZodNullable)
    return field.unwrap();
  return undefined;
}

/**
 * What is wrong with a value, each problem at its place; nothing for what is `UNKNOWN`. A custom issue may carry
 * `params: { code, hint }`.
 */
export function problemsOf(schema: z.core.$ZodType, value: unknown): StasisError[] {
  const parsed = z.safeParse(schema, value);
  if (parsed.success) return [];
  return parsed.error.issues.filter((issue) => !touchesUnknown(value, issue.path)).map(problemOf);
}

function touchesUnknown(value: unknown, path: readonly PropertyKey[]): boolean {
  let at = value;
  for (const step of path) {
    if (at === UNKNOWN) return true;
    if (typeof at !== 'object' || at === null) return false;
    at = (at as Record<PropertyKey, unknown>)[step];
  }
  return at === UNKNOWN;
}

function problemOf(issue: z.core.$ZodIssue): StasisError {
  const at: Place = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys;
    return new StasisError('input.unknown-attribute', `There is no attribute "${key}" here.`, {
      hint: 'The reference docs list every attribute; check the spelling.',
      at: [...at, key],
    });
  }
  const params = issue.code === 'custom' ? (issue.params ?? {}) : {};
  return new StasisError(String(params.code ?? 'input.invalid'), sentence(issue.message), {
    hint: typeof params.hint === 'string' ? params.hint : undefined,
    at,
  });
}

/** zod's messages name types, never values: safe for secrets. */
function sentence(message: string): string {
  return /[.!?]$/.test(message) ? message : `${message}.`;
}
