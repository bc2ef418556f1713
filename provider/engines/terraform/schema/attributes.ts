import { z } from 'zod';
import { StasisError } from '../../../core/errors.ts';
import { type FieldMeta, metaOf, unwrap } from '../../../core/schema.ts';
import { snakeCase } from '../naming.ts';

/**
 * What Terraform can be told of a zod schema: the middle between the one declaration of a resource and everything
 * made from it (the protocol's schema, the conversion of values, paths of diagnostics, the reference docs).
 */
export type Shape =
  | { readonly kind: 'string'; readonly allowed?: readonly string[]; readonly typeName?: string }
  | { readonly kind: 'number' }
  | { readonly kind: 'boolean' }
  /** Anything at all, as JSON text: Terraform has no type for it. Outputs only. */
  | { readonly kind: 'json' }
  | { readonly kind: 'list'; readonly element: Shape }
  | { readonly kind: 'map'; readonly element: Shape }
  | {
      readonly kind: 'object';
      readonly attributes: readonly Attribute[];
      /** See FieldMeta, as of the text above. */
      readonly typeName?: string;
      readonly exactlyOne?: boolean;
    };

export interface Attribute {
  /** As the definition has it: `maxPauseMs`. */
  readonly name: string;
  /** As Terraform has it: `max_pause_ms`. */
  readonly key: string;
  readonly description: string;
  /** Exactly one of the three. */
  readonly presence: 'required' | 'optional' | 'computed';
  /** Kept out of what the engine prints. */
  readonly sensitive: boolean;
  /** Sent to us with the configuration and kept nowhere. */
  readonly writeOnly: boolean;
  readonly shape: Shape;
}

/**
 * What the attributes are for. Only a resource's inputs can be write-only: Terraform has that neither for the
 * provider's configuration, which it does not store, nor for data sources.
 */
export type Purpose = 'resource' | 'configuration' | 'lookup' | 'output';

/** @throws StasisError `schema.unsupported` when the schema says what Terraform has no word for: our own mistake. */
export function attributesOf(schema: z.ZodObject, purpose: Purpose, path = ''): readonly Attribute[] {
  return Object.entries(schema.shape).map(([name, field]) =>
    attributeOf(name, field as z.core.$ZodType, purpose, path === '' ? name : `${path}.${name}`),
  );
}

function attributeOf(name: string, field: z.core.$ZodType, purpose: Purpose, path: string): Attribute {
  const meta = metaOf(field);
  const computed = purpose === 'output' || meta.computed === true;
  const secret = meta.secret === true;
  const inner = shapeOf(unwrap(field), purpose, path);
  const shape = 'allowed' in inner ? { ...inner, ...called(meta) } : inner;
  return {
    name,
    key: snakeCase(name),
    description: describe(meta.description ?? '', shape),
    presence: computed ? 'computed' : isOptional(field) ? 'optional' : 'required',
    sensitive: secret,
    writeOnly: secret && purpose === 'resource' && !computed,
    shape,
  };
}

function isOptional(field: z.core.$ZodType): boolean {
  return field instanceof z.ZodNullable || field._zod.optin !== undefined;
}

function shapeOf(type: z.core.$ZodType, purpose: Purpose, path: string): Shape {
  const { def } = (type as z.core.$ZodTypes)._zod;
  const within = (inner: z.core.$ZodType, step: string): Shape =>
    shapeOf(unwrap(inner), purpose, `${path}${step}`);
  switch (def.type) {
    case 'string':
    case 'template_literal':
      return { kind: 'string' };
    case 'enum':
      return { kind: 'string', allowed: Object.values(def.entries).map(String), ...called(metaOf(type)) };
    case 'number':
      return { kind: 'number' };
    case 'boolean':
      return { kind: 'boolean' };
    case 'literal':
      return literal(def.values, path);
    case 'array':
      return { kind: 'list', element: within(def.element, '[]') };
    case 'record':
      return { kind: 'map', element: within(def.valueType, '{}') };
    case 'object':
      return {
        kind: 'object',
        attributes: attributesOf(type as z.ZodObject, purpose, path),
        ...called(metaOf(type)),
      };
    case 'union':
      return union(
        def.options.map((option) => within(option, '|')),
        path,
      );
    case 'unknown':
    case 'any':
    case 'lazy':
      if (purpose === 'output') return { kind: 'json' };
      throw unsupported(path, def.type);
    default:
      throw unsupported(path, def.type);
  }
}

function called({ typeName, exactlyOne }: FieldMeta): Pick<FieldMeta, 'typeName' | 'exactlyOne'> {
  return { ...(typeName && { typeName }), ...(exactlyOne && { exactlyOne }) };
}

function literal(values: readonly unknown[], path: string): Shape {
  if (values.every((value) => typeof value === 'string')) return { kind: 'string', allowed: values };
  if (values.every((value) => typeof value === 'number')) return { kind: 'number' };
  if (values.every((value) => typeof value === 'boolean')) return { kind: 'boolean' };
  throw unsupported(path, 'literal');
}

/** A union is what all its options are; texts with a list of what is allowed lose it beside one without. */
function union(options: readonly Shape[], path: string): Shape {
  const [first] = options;
  if (first === undefined || options.some((option) => option.kind !== first.kind))
    throw unsupported(path, 'union of different types');
  if (first.kind === 'number' || first.kind === 'boolean') return first;
  if (first.kind !== 'string') throw unsupported(path, `union of ${first.kind}s`);
  const lists = options.map((option) => (option.kind === 'string' ? option.allowed : undefined));
  if (lists.some((list) => list === undefined)) return { kind: 'string' };
  return { kind: 'string', allowed: lists.flatMap((list) => list ?? []) };
}

function describe(description: string, shape: Shape): string {
  const sentences = [description];
  if (shape.kind === 'string' && shape.allowed !== undefined)
    sentences.push(`One of ${shape.allowed.map((value) => `\`${value}\``).join(', ')}.`);
  if (shape.kind === 'json') sentences.push('JSON, as text: read it with `jsondecode`.');
  return sentences.filter((sentence) => sentence !== '').join(' ');
}

function unsupported(path: string, what: string): StasisError {
  return new StasisError('schema.unsupported', `${path}: Terraform has no type for a ${what}.`);
}
