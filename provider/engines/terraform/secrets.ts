import { type Redact, redacting } from '../redaction.ts';
import type { Attribute, Shape } from './schema/attributes.ts';
import { isRawObject, type Raw, type RawObject } from './values/dynamic-value.ts';

/** Takes the secrets of one configuration out of a text. */
export function redactor(attributes: readonly Attribute[], config: RawObject): Redact {
  return redacting(secretsOf({ kind: 'object', attributes }, config, false));
}

function secretsOf(shape: Shape, raw: Raw, sensitive: boolean): string[] {
  if (typeof raw === 'string') return sensitive ? [raw] : [];
  if (shape.kind === 'list' && Array.isArray(raw))
    return raw.flatMap((item) => secretsOf(shape.element, item, sensitive));
  if (!isRawObject(raw)) return [];
  if (shape.kind === 'map')
    return Object.values(raw).flatMap((item) => secretsOf(shape.element, item, sensitive));
  if (shape.kind !== 'object') return [];
  return shape.attributes.flatMap((attribute) =>
    secretsOf(attribute.shape, raw[attribute.key], sensitive || attribute.sensitive),
  );
}
