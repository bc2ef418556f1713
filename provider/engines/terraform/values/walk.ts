import type { Place } from '../../../core/errors.ts';
import type { Attribute, Shape } from '../schema/attributes.ts';
import { isRawObject, type Raw, type RawObject } from './dynamic-value.ts';

/** One value inside another. */
export interface Step {
  /** In the definition's words. */
  readonly at: Place;
  readonly raw: Raw;
  readonly shape: Shape;
  /** Of which it is the value; absent for an element of a list or map. */
  readonly attribute?: Attribute;
  /** It, or something that it lies in, is sensitive. */
  readonly sensitive: boolean;
}

/** Every value of a configuration, outermost first: attributes that are null too, nothing inside what is unknown. */
export function* walk(attributes: readonly Attribute[], object: RawObject): Generator<Step> {
  yield* within({ at: [], raw: object, shape: { kind: 'object', attributes }, sensitive: false });
}

function* within(outer: Step): Generator<Step> {
  for (const step of stepsOf(outer)) {
    yield step;
    yield* within(step);
  }
}

function stepsOf({ at, raw, shape, sensitive }: Step): Step[] {
  if (shape.kind === 'object' && isRawObject(raw))
    return shape.attributes.map((attribute) => ({
      at: [...at, attribute.name],
      raw: raw[attribute.key] ?? null,
      shape: attribute.shape,
      attribute,
      sensitive: sensitive || attribute.sensitive,
    }));
  if ((shape.kind === 'map' && isRawObject(raw)) || (shape.kind === 'list' && Array.isArray(raw)))
    return Object.entries(raw as object).map(([key, item]) => ({
      at: [...at, key],
      raw: item,
      shape: shape.element,
      sensitive,
    }));
  return [];
}
