/** Takes secrets out of a text. */
export type Redact = (text: string) => string;

/** A password shorter than this is likely a word that messages need; drivers keep it out all the same. */
const PASSWORD_MIN_LENGTH = 6;

/**
 * A last net under what an engine prints: these secrets, and the passwords in those of them that are URLs, never pass
 * it. Whoever makes a message keeps secrets out in the first place; text that a server or a child program wrote may not.
 */
export function redacting(secrets: readonly string[]): Redact {
  const forms = [...new Set(secrets.filter((secret) => secret !== '').flatMap(formsOf))];
  forms.sort((a, b) => b.length - a.length);
  return (text) => forms.reduce((safe, form) => safe.replaceAll(form, '(secret)'), text);
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
