import { UNKNOWN, type Values } from '../../../core/resource.ts';
import type { Attribute, Shape } from '../schema/attributes.ts';
import { isRawObject, type Raw, type RawObject, rawNumber } from './dynamic-value.ts';

/** Terraform's object as the definition's values: camelCase, null is absent, unknown is `UNKNOWN`. */
export function toValues(attributes: readonly Attribute[], object: RawObject): Values {
  const values: Record<string, unknown> = {};
  for (const { name, key, shape } of attributes) {
    const raw = object[key];
    if (raw !== null && raw !== undefined) values[name] = toValue(shape, raw);
  }
  return values;
}

function toValue(shape: Shape, raw: Raw): unknown {
  if (raw === UNKNOWN || raw === null) return raw;
  switch (shape.kind) {
    case 'number':
      // A decimal arrives as text, an integer beyond 2^53 as a bigint. Values have JavaScript's numbers: what they
      // cannot hold exactly is rounded here, while Terraform's own value is passed on as it came.
      return typeof raw === 'number' ? raw : Number(raw);
    case 'json':
      return JSON.parse(String(raw));
    case 'list':
      return (raw as readonly Raw[]).map((item) => toValue(shape.element, item));
    case 'map':
      // `members = { cache = var.cached ? { … } : null }`: what is null is not there.
      return mapEntries(withoutNulls(raw as RawObject), (item) => toValue(shape.element, item));
    case 'object':
      return toValues(shape.attributes, raw as RawObject);
    default:
      return raw;
  }
}

/** The definition's values as Terraform's object: every attribute there, null where absent. */
export function toRaw(attributes: readonly Attribute[], values: Values): RawObject {
  return Object.fromEntries(attributes.map(({ name, key, shape }) => [key, rawOf(shape, values[name])]));
}

function rawOf(shape: Shape, value: unknown): Raw {
  if (value === UNKNOWN) return UNKNOWN;
  if (value === undefined || (value === null && shape.kind !== 'json')) return null;
  switch (shape.kind) {
    case 'number':
      return typeof value === 'number' ? rawNumber(value) : value;
    case 'json':
      return JSON.stringify(value);
    case 'list':
      return (value as readonly unknown[]).map((item) => rawOf(shape.element, item));
    case 'map':
      return mapEntries(value as Values, (item) => rawOf(shape.element, item));
    case 'object':
      return toRaw(shape.attributes, value as Values);
    default:
      return value;
  }
}

/**
 * What Terraform holds a planned or new state to: the configuration as it came, null in place of what is write-only,
 * and what we compute from `computed`.
 */
export function overlay(attributes: readonly Attribute[], config: RawObject, computed: RawObject): RawObject {
  return Object.fromEntries(
    attributes.map((attribute) => {
      const { key, presence, shape } = attribute;
      if (attribute.writeOnly) return [key, null];
      if (presence === 'computed') return [key, computed[key] ?? null];
      return [key, overlayValue(shape, config[key] ?? null, computed[key] ?? null)];
    }),
  );
}

function overlayValue(shape: Shape, config: Raw, computed: Raw): Raw {
  if (config === null || config === UNKNOWN) return config;
  if (shape.kind === 'object')
    return overlay(shape.attributes, config as RawObject, isRawObject(computed) ? computed : {});
  if (shape.kind === 'map')
    return mapEntries(config as RawObject, (item, key) =>
      overlayValue(shape.element, item, isRawObject(computed) ? (computed[key] ?? null) : null),
    );
  if (shape.kind === 'list')
    return (config as readonly Raw[]).map((item, index) =>
      overlayValue(shape.element, item, Array.isArray(computed) ? (computed[index] ?? null) : null),
    );
  return config;
}

/**
 * A state as the schema wants it: attributes that it lacks are null, those that are no longer in the schema are left
 * out. What an older version of the provider wrote is read this way.
 */
export function conform(attributes: readonly Attribute[], state: RawObject): RawObject {
  return Object.fromEntries(
    attributes.map(({ key, shape, writeOnly }) => [
      key,
      writeOnly ? null : conformValue(shape, state[key] ?? null),
    ]),
  );
}

function conformValue(shape: Shape, raw: Raw): Raw {
  if (raw === null) return null;
  if (shape.kind === 'object') return isRawObject(raw) ? conform(shape.attributes, raw) : null;
  if (shape.kind === 'map')
    return isRawObject(raw) ? mapEntries(raw, (item) => conformValue(shape.element, item)) : null;
  if (shape.kind === 'list')
    return Array.isArray(raw) ? raw.map((item) => conformValue(shape.element, item)) : null;
  return raw;
}

function withoutNulls(object: RawObject): RawObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
}

/** `Object.fromEntries` makes own properties of all keys, `__proto__` too: a member may have any name. */
function mapEntries(object: RawObject, map: (value: Raw, key: string) => Raw): RawObject {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(value, key)]));
}
