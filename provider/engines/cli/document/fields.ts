import { z } from 'zod';
import { type Place, StasisError } from '../../../core/errors.ts';
import { metaOf, unwrap } from '../../../core/schema.ts';

/** Something that a user wrote, with what the schema says of it. */
interface GivenField {
  readonly at: Place;
  readonly value: unknown;
  readonly isComputed: boolean;
  /** It, or something around it, is called secret. */
  readonly isSecret: boolean;
}

/** All that was written, also what does not fit the schema. */
function* fieldsIn(
  schema: z.core.$ZodType,
  value: unknown,
  at: Place,
  isSecret: boolean,
): Generator<GivenField> {
  const meta = metaOf(schema);
  const secret = isSecret || meta.secret === true;
  yield { at, value, isComputed: meta.computed === true, isSecret: secret };
  if (typeof value !== 'object' || value === null) return;
  const type = unwrap(schema);
  for (const [key, item] of Object.entries(value))
    yield* fieldsIn(fieldOf(type, key), item, [...at, key], secret);
}

function fieldOf(type: z.core.$ZodType, key: string): z.core.$ZodType {
  if (type instanceof z.ZodObject) return (type.shape as Record<string, z.core.$ZodType>)[key] ?? z.unknown();
  if (type instanceof z.ZodRecord) return type.valueType;
  if (type instanceof z.ZodArray) return type.element;
  return z.unknown();
}

/** Every text in these inputs that the schema calls secret, and every URL with a password, also a misplaced one. */
export function secretsIn(schema: z.core.$ZodType, values: unknown): string[] {
  return [...fieldsIn(schema, values, [], false)].flatMap(({ value, isSecret }) =>
    typeof value === 'string' && (isSecret || hasPassword(value)) ? [value] : [],
  );
}

function hasPassword(text: string): boolean {
  return (URL.parse(text)?.password ?? '') !== '';
}

/** What we fill in ourselves cannot be set: it would be lost. */
export function computedProblems(schema: z.core.$ZodType, values: unknown): StasisError[] {
  return [...fieldsIn(schema, values, [], false)]
    .filter(({ isComputed, value }) => isComputed && value !== undefined && value !== null)
    .map(
      ({ at }) =>
        new StasisError('input.computed', `"${at.at(-1)}" is computed, and cannot be set.`, {
          hint: 'Leave it out.',
          at,
        }),
    );
}
