import { StasisError } from '../../../core/errors.ts';
import type { Attribute } from '../schema/attributes.ts';
import type { RawObject } from '../values/dynamic-value.ts';
import { walk } from '../values/walk.ts';
import type { Message } from '../wire/messages.ts';

/** What is wrong with a configuration in the engine's own terms, before the definition sees it. */
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

/**
 * A null in place of an object in a map or list: Terraform 1.11 and OpenTofu 1.11 crash on it when the object has a
 * write-only attribute, as soon as it is planned. So it is refused, for all maps and lists of objects alike.
 */
export function nullProblems(attributes: readonly Attribute[], config: RawObject): readonly StasisError[] {
  return [...walk(attributes, config)]
    .filter(({ attribute, shape, raw }) => attribute === undefined && shape.kind === 'object' && raw === null)
    .map(
      ({ at }) =>
        new StasisError('input.null-element', `"${at.at(-1)}" is null.`, {
          hint: 'Leave it out instead, for example by { for name, value in { … } : name => value if value != null }.',
          at,
        }),
    );
}

/** The engines refuse a value for what is computed, but not within a nested attribute, where it would be lost. */
function computedProblems(attributes: readonly Attribute[], config: RawObject): readonly StasisError[] {
  return [...walk(attributes, config)]
    .filter(({ attribute, raw }) => attribute?.presence === 'computed' && raw !== null)
    .map(
      ({ at }) =>
        new StasisError('input.computed', `"${at.at(-1)}" is computed, and cannot be set.`, {
          hint: 'Leave it out.',
          at,
        }),
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
  const first = walk(attributes, config).find(({ attribute, raw }) => attribute?.writeOnly && raw !== null);
  if (first === undefined) return [];
  return [
    new StasisError('terraform.too-old', 'This engine cannot keep secrets out of its state.', {
      hint: 'Use Terraform 1.11 or OpenTofu 1.11, or newer: they know write-only attributes.',
      at: first.at,
    }),
  ];
}
