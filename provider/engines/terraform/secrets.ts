import type { Attribute, Shape } from './schema/attributes.ts';
import { isRawObject, type Raw, type RawObject } from './values/dynamic-value.ts';

/** Takes secrets out of a text. */
export type Redact = (text: string) => string;

/** A password shorter than this is likely a word that messages need; drivers keep it out all the same. */
const PASSWORD_MIN_LENGTH = 6;

/**
 * A last net under what we print: the secrets of one configuration, and the passwords in its URLs, never pass it.
 * Whoever makes a message keeps secrets out in the first place; text that a server or a child program wrote may not.
 */
export function redactor(attributes: readonly Attribute[], config: RawObject): Redact {
  const secrets = [...new Set(secretsOf({ kind: 'object', attributes }, config, false).flatMap(formsOf))];
  secrets.sort((a, b) => b.length - a.length);
  return (text) => secrets.reduce((safe, secret) => safe.replaceAll(secret, '(secret)'), text);
}

function secretsOf(shape: Shape, raw: Raw, sensitive: boolean): string[] {
  if (typeof raw === 'string') return sensitive && raw !== '' ? [raw] : [];
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

/** A secret as it may show in a text: itself, in JSON, and of a URL the password, percent-encoded and plain. */
function formsOf(secret: string): string[] {
  const forms = [secret, JSON.stringify(secret).slice(1, -1)];
  const password = URL.parse(secret)?.password ?? '';
  for (const form of [password, decoded(password)])
    if (form.length >= PASSWORD_MIN_LENGTH) forms.push(form, JSON.stringify(form).slice(1, -1));
  return forms;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
