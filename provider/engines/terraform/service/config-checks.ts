import { StasisError } from '../../../core/errors.ts';
import type { Attribute, Shape } from '../schema/attributes.ts';
import { isRawObject, type Raw, type RawObject } from '../values/dynamic-value.ts';
import type { Message } from '../wire/messages.ts';

/**
 * An engine that does not know write-only attributes would keep passwords in its state, and then fail over them: it
 * is refused with the reason, at the first of them.
 */
export function writeOnlyProblems(
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
