import { z } from 'zod';
import type { Place } from '../../../core/errors.ts';
import { UNKNOWN, type Values } from '../../../core/resource.ts';
import { type FieldMeta, metaOf, unwrap } from '../../../core/schema.ts';
import { fromValues, isList, isMap, type Property, type PropertyMap, reveal, Secret } from './property.ts';

/** The schema of what lies in an object or list under `key`, and what is said of it; undefined where there is none. */
function fieldOf(type: z.core.$ZodType, key: string): z.core.$ZodType | undefined {
  const { def } = (unwrap(type) as z.core.$ZodTypes)._zod;
  if (def.type === 'object') return Object.hasOwn(def.shape, key) ? def.shape[key] : undefined;
  if (def.type === 'record') return def.valueType;
  if (def.type === 'array') return def.element;
  return undefined;
}

/**
 * The inputs with every value wrapped that is secret by its schema; what the user has wrapped stays so. The SDKs wrap
 * the whole of an input in which some field is secret: there every value is wrapped instead, so that a difference
 * can be told at its own place, and what is stored of it can hold an endpoint for all to read. What is open by its
 * schema is not, as messages would lose it with every other secret text; one that the user has wrapped itself stays so.
 */
export function withSecrets(schema: z.core.$ZodType, inputs: PropertyMap): PropertyMap {
  return wrapWithin(schema, inputs, false) as PropertyMap;
}

function wrapWithin(type: z.core.$ZodType | undefined, property: Property, within: boolean): Property {
  if (property === null) return null;
  if (property instanceof Secret)
    return type && holdsSecrets(type) ? wrapWithin(type, property.value, true) : property;
  if (type && !metaOf(type).secret) {
    if (isList(property))
      return property.map((item, index) => wrapWithin(fieldOf(type, String(index)), item, within));
    if (isMap(property))
      return Object.fromEntries(
        Object.entries(property).map(([key, item]) => [key, wrapWithin(fieldOf(type, key), item, within)]),
      );
  }
  const { secret, open } = type === undefined ? {} : metaOf(type);
  return secret || (within && !open) ? new Secret(property) : property;
}

/** Whether a field somewhere in it is secret, but not all of it. */
function holdsSecrets(type: z.core.$ZodType): boolean {
  if (metaOf(type).secret) return false;
  const { def } = (unwrap(type) as z.core.$ZodTypes)._zod;
  const inner =
    def.type === 'object'
      ? Object.values(def.shape)
      : def.type === 'record'
        ? [def.valueType]
        : def.type === 'array'
          ? [def.element]
          : [];
  return inner.some((field) => metaOf(field).secret === true || holdsSecrets(field));
}

/**
 * What is stored of inputs, as outputs: a value that the user wrapped as a secret stays one. What is computed holds
 * none by its definition, so that an endpoint can be read.
 */
export function storedProperties(schema: z.core.$ZodType, stored: Values, inputs: PropertyMap): PropertyMap {
  return keepWrapped(schema, fromValues(stored), inputs) as PropertyMap;
}

function keepWrapped(
  type: z.core.$ZodType | undefined,
  stored: Property,
  input: Property | undefined,
): Property {
  const wrapped = input instanceof Secret;
  const inner = reveal(input);
  if (isMap(stored))
    return Object.fromEntries(
      Object.entries(stored).map(([key, item]) => {
        const field = type && fieldOf(type, key);
        if (field && metaOf(field).computed) return [key, item];
        return [key, keepWrapped(field, item, childOf(inner, key, wrapped))];
      }),
    );
  if (isList(stored) && !wrapped)
    return stored.map((item, index) =>
      keepWrapped(type && fieldOf(type, String(index)), item, isList(inner) ? inner[index] : undefined),
    );
  return wrapped ? new Secret(stored) : stored;
}

function childOf(parent: Property | undefined, key: string, wrapped: boolean): Property | undefined {
  const child = isMap(parent) && Object.hasOwn(parent, key) ? parent[key] : undefined;
  return wrapped && !(child instanceof Secret) ? new Secret(child ?? null) : child;
}

/** Places at which a value stands of whose field `is` holds. */
export function placesWhere(
  type: z.core.$ZodType,
  value: unknown,
  is: (meta: FieldMeta) => boolean,
): readonly Place[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]): readonly Place[] => {
    const field = fieldOf(type, key);
    if (field === undefined || item === undefined || item === null || item === UNKNOWN) return [];
    if (is(metaOf(field))) return [[key]];
    return placesWhere(field, item, is).map((place) => [key, ...place]);
  });
}

/** Whether a definition requires an input that is not there: it was imported, and only its identity is known. */
export function lacksRequired(schema: z.ZodObject, values: Values): boolean {
  return Object.entries(schema.shape).some(
    ([key, field]) =>
      !(field instanceof z.ZodOptional) && (values[key] === undefined || values[key] === null),
  );
}
