import { type Place, StasisError } from '../../../core/errors.ts';
import type { Attribute, Shape } from '../schema/attributes.ts';
import { isRawObject, type Raw, type RawObject } from '../values/dynamic-value.ts';
import type { Message } from '../wire/messages.ts';

/**
 * What is wrong with a configuration in Terraform's own terms, before the definition sees it.
 */
export function configProblems(
  attributes: readonly Attribute[],
  config: RawObject,
  capabilities: Message<'ClientCapabilities'> | undefined,
): readonly StasisError[] {
  return [
    ...nullProblems(attributes, config),
    ...computedProblems(attributes, config),
    ...writeOnlyProblems(attributes, config, capabilities),
  ];
}

/** The engines refuse a value for what is computed, but not within a nested attribute, where it would be lost. */
function computedProblems(attributes: readonly Attribute[], config: RawObject): readonly StasisError[] {
  return setComputed({ kind: 'object', attributes }, config, []).map(
    (at) =>
      new StasisError('input.computed', `"${at.at(-1)}" is computed, and cannot be set.`, {
        hint: 'Leave it out.',
        at,
      }),
  );
}

function setComputed(shape: Shape, raw: Raw, at: Place): Place[] {
  if (shape.kind === 'object' && isRawObject(raw))
    return shape.attributes.flatMap(({ name, key, presence, shape: inner }) => {
      const value = raw[key] ?? null;
      if (presence !== 'computed') return setComputed(inner, value, [...at, name]);
      return value === null ? [] : [[...at, name]];
    });
  if ((shape.kind !== 'map' && shape.kind !== 'list') || typeof raw !== 'object' || raw === null) return [];
  return Object.entries(raw).flatMap(([key, item]) => setComputed(shape.element, item, [...at, key]));
}

/**
 * A null in place of an object in a map or list: Terraform 1.11 and OpenTofu 1.11 crash on it when the object has a
 * write-only attribute, as soon as it is planned. So it is refused, for all maps and lists alike.
 */
export function nullProblems(attributes: readonly Attribute[], config: RawObject): readonly StasisError[] {
  return nullsIn({ kind: 'object', attributes }, config, []).map(
    (at) =>
      new StasisError('input.null-element', `"${at.at(-1)}" is null.`, {
        hint: 'Leave it out instead, for example by { for name, value in { … } : name => value if value != null }.',
        at,
      }),
  );
}

function nullsIn(shape: Shape, raw: Raw, at: Place): Place[] {
  if (shape.kind === 'object' && isRawObject(raw))
    return shape.attributes.flatMap(({ name, key, shape: inner }) => nullsIn(inner, raw[key], [...at, name]));
  if (shape.kind !== 'map' && shape.kind !== 'list') return [];
  if (typeof raw !== 'object' || raw === null) return [];
  return Object.entries(raw).flatMap(([key, item]) =>
    item === null && shape.element.kind === 'object'
      ? [[...at, key]]
      : nullsIn(shape.element, item, [...at, key]),
  );
}

/**
 * An engine that does not know write-only attributes would keep passwords in its state, and then fail over them: it
 * is refused with the reason, at the first of them.
 */
function writeOnlyProblems(
  attributes: readonly Attribute[],
  config: RawObject,
  capabilities: Message<'ClientCapabilities'> | undefined,
): readonly StasisError[] {
  if (capabilities?.writeOnlyAttributesAllowed === true) return [];
  const at = firstWriteOnly({ kind: 'object', attributes }, config, false);
  if (at === undefined) return [];
  return [
    new StasisError('terraform.too-old', 'This engine cannot keep secrets out of its state.', {
      hint: 'Use Terraform 1.11 or OpenTofu 1.11, or newer: they know write-only attributes.',
      at,
    }),
  ];
}

function firstWriteOnly(shape: Shape, raw: Raw, writeOnly: boolean): string[] | undefined {
  if (raw === null || raw === undefined) return undefined;
  if (writeOnly) return [];
  if (shape.kind === 'object' && isRawObject(raw))
    return firstOf(
      shape.attributes.map(
        (attribute) =>
          [attribute.name, firstWriteOnly(attribute.shape, raw[attribute.key], attribute.writeOnly)] as const,
      ),
    );
  if (shape.kind === 'map' && isRawObject(raw))
    return firstOf(
      Object.entries(raw).map(([key, item]) => [key, firstWriteOnly(shape.element, item, false)]),
    );
  if (shape.kind === 'list' && Array.isArray(raw))
    return firstOf(raw.map((item, index) => [String(index), firstWriteOnly(shape.element, item, false)]));
  return undefined;
}

function firstOf(
  found: readonly (readonly [step: string, rest: string[] | undefined])[],
): string[] | undefined {
  for (const [step, rest] of found) if (rest !== undefined) return [step, ...rest];
  return undefined;
}
