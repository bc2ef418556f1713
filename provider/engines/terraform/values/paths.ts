import type { Place } from '../../../core/errors.ts';
import type { Attribute, Shape } from '../schema/attributes.ts';
import type { Message } from '../wire/messages.ts';

/**
 * A place in the definition's words as a path in Terraform's: names of attributes in snake_case, keys of maps as they
 * are, indices of lists as integers. What the schema does not have is left off, so that a path is always valid.
 */
export function attributePath(
  attributes: readonly Attribute[],
  place: Place,
): Message<'AttributePath'> | undefined {
  const steps: Message<'AttributePath.Step'>[] = [];
  let shape: Shape = { kind: 'object', attributes };
  for (const step of place) {
    if (shape.kind === 'object') {
      const attribute: Attribute | undefined = shape.attributes.find(({ name }) => name === step);
      if (attribute === undefined) break;
      steps.push({ attributeName: attribute.key });
      shape = attribute.shape;
    } else if (shape.kind === 'map') {
      steps.push({ elementKeyString: step });
      shape = shape.element;
    } else if (shape.kind === 'list' && /^\d+$/.test(step)) {
      steps.push({ elementKeyInt: Number(step) });
      shape = shape.element;
    } else break;
  }
  return steps.length === 0 ? undefined : { steps };
}

/** A path for people, as one would write it in a configuration: `members["my web"].postgres.url`. */
export function formatPath(path: Message<'AttributePath'>): string {
  return (path.steps ?? [])
    .map(({ attributeName, elementKeyString, elementKeyInt }, index) => {
      if (attributeName !== undefined) return index === 0 ? attributeName : `.${attributeName}`;
      if (elementKeyInt !== undefined) return `[${elementKeyInt}]`;
      const key = elementKeyString ?? '';
      return /^[A-Za-z_][\w-]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
    })
    .join('');
}
