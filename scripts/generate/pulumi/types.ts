import { z } from 'zod';
import { StasisError } from '../../../provider/core/errors.ts';
import { metaOf, unwrap } from '../../../provider/core/schema.ts';

/**
 * What Pulumi can be told of a zod schema: the middle between the one declaration of a resource and everything made
 * from it for Pulumi (the package schema, the examples in its languages, the reference docs).
 */
export type PulumiType =
  | { readonly kind: 'string' | 'integer' | 'number' | 'boolean' | 'any' }
  | { readonly kind: 'enum'; readonly name: string; readonly values: readonly string[] }
  | { readonly kind: 'list' | 'map'; readonly element: PulumiType }
  | { readonly kind: 'object'; readonly name: string; readonly properties: readonly Property[] };

export interface Property {
  readonly name: string;
  readonly description: string;
  readonly required: boolean;
  /** Whether it is, or holds, what must not be shown. */
  readonly secret: boolean;
  /** The resource's logical name stands in for it where it is not given. */
  readonly logicalName: boolean;
  readonly type: PulumiType;
}

/**
 * What the properties are for. `stored` are a resource's inputs among its outputs: without what is secret, and with
 * what we fill in. Types that differ by that are called `Stored…`.
 */
export type Purpose = 'input' | 'stored' | 'output';

/** @throws StasisError `schema.unsupported` when the schema says what Pulumi has no word for: our own mistake. */
export function propertiesOf(schema: z.ZodObject, purpose: Purpose, owner: string): readonly Property[] {
  return Object.entries(schema.shape).flatMap(([name, value]) => {
    const field = value as z.core.$ZodType;
    const { secret, computed } = metaOf(field);
    if ((purpose === 'input' && computed) || (purpose === 'stored' && secret)) return [];
    return [propertyOf(name, field, purpose, owner)];
  });
}

function propertyOf(name: string, field: z.core.$ZodType, purpose: Purpose, owner: string): Property {
  const { description = '', secret, computed, logicalName } = metaOf(field);
  const type = typeOf(field, purpose, `${owner}${capitalized(name)}`);
  return {
    name,
    description: described(description, purpose === 'input' && logicalName === true),
    required: isRequired(field) && !(purpose === 'input' && logicalName) ? true : computed === true,
    secret: secret === true || (purpose === 'input' && holdsSecret(type)),
    logicalName: logicalName === true,
    type,
  };
}

function described(description: string, isLogicalName: boolean): string {
  return isLogicalName ? `${description} The logical name unless given.` : description;
}

function isRequired(field: z.core.$ZodType): boolean {
  return !(field instanceof z.ZodNullable) && field._zod.optin === undefined;
}

/** `fallback` is what the type is called where its definition does not say. */
function typeOf(field: z.core.$ZodType, purpose: Purpose, fallback: string): PulumiType {
  const type = unwrap(field);
  const name = metaOf(field).typeName ?? fallback;
  const { def } = (type as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case 'string':
    case 'template_literal':
      return { kind: 'string' };
    case 'enum':
      return { kind: 'enum', name, values: Object.values(def.entries).map(String) };
    case 'number':
      return { kind: type instanceof z.ZodNumber && type.isInt ? 'integer' : 'number' };
    case 'boolean':
      return { kind: 'boolean' };
    case 'array':
      return { kind: 'list', element: typeOf(def.element, purpose, fallback) };
    case 'record':
      return { kind: 'map', element: typeOf(def.valueType, purpose, fallback) };
    case 'object':
      return objectOf(type as z.ZodObject, purpose, name);
    case 'unknown':
    case 'any':
      return { kind: 'any' };
    default:
      throw new StasisError('schema.unsupported', `${fallback}: Pulumi has no type for a ${def.type}.`);
  }
}

function objectOf(schema: z.ZodObject, purpose: Purpose, name: string): PulumiType {
  const called = purpose === 'stored' && differsWhenStored(schema) ? `Stored${name}` : name;
  return { kind: 'object', name: called, properties: propertiesOf(schema, purpose, called) };
}

/** Whether anything in it is secret or filled in by us. */
function differsWhenStored(field: z.core.$ZodType): boolean {
  const { secret, computed } = metaOf(field);
  if (secret || computed) return true;
  const { def } = (unwrap(field) as z.core.$ZodTypes)._zod;
  if (def.type === 'array') return differsWhenStored(def.element);
  if (def.type === 'record') return differsWhenStored(def.valueType);
  return def.type === 'object' && Object.values(def.shape).some(differsWhenStored);
}

function holdsSecret(type: PulumiType): boolean {
  if (type.kind === 'list' || type.kind === 'map') return holdsSecret(type.element);
  return type.kind === 'object' && type.properties.some(({ secret }) => secret);
}

export function capitalized(name: string): string {
  return name.replace(/^./, (first) => first.toUpperCase());
}
