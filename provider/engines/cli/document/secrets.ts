import { z } from 'zod';
import { metaOf, unwrap } from '../../../core/schema.ts';

/** Every text in these inputs that the schema calls secret. What does not fit the schema is searched all the same. */
export function secretsIn(schema: z.core.$ZodType, value: unknown, isSecret = false): string[] {
  const type = unwrap(schema);
  const secret = isSecret || metaOf(schema).secret === true;
  if (typeof value === 'string') return secret || hasPassword(value) ? [value] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => secretsIn(fieldOf(type, key), item, secret));
}

function fieldOf(type: z.core.$ZodType, key: string): z.core.$ZodType {
  if (type instanceof z.ZodObject) return (type.shape as Record<string, z.core.$ZodType>)[key] ?? z.unknown();
  if (type instanceof z.ZodRecord) return type.valueType;
  if (type instanceof z.ZodArray) return type.element;
  return z.unknown();
}

/** A URL with a password is a secret wherever it stands, also under a misspelt attribute. */
function hasPassword(text: string): boolean {
  return (URL.parse(text)?.password ?? '') !== '';
}
