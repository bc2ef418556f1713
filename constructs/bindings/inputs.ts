import { Token } from '#cdk';
import { driverChoiceProblem } from '../../provider/core/driver-choice.ts';
import { StasisError } from '../../provider/core/errors.ts';
import type { Attribute, Attributes, Inner } from './attributes.ts';

type Values = Readonly<Record<string, unknown>>;

/** What is done with a write-only value on its way into the synthesized program. */
export type WriteOnly = (value: unknown, at: readonly string[]) => unknown;

/** What a construct was given, by the name that a program writes. */
export class Inputs {
  readonly #attributes: Attributes;
  readonly #values: Record<string, unknown>;

  constructor(attributes: Attributes, values: Values) {
    this.#attributes = attributes;
    this.#values = { ...values };
  }

  get(name: string): unknown {
    return this.#values[name];
  }

  /** `undefined` takes it away. */
  set(name: string, value: unknown): void {
    this.#values[name] = value;
  }

  /** See `toTerraform`. */
  synthesize(writeOnly: WriteOnly = (value) => value): Record<string, unknown> {
    return toTerraform(this.#attributes, this.#values, writeOnly);
  }

  /** The same where the library synthesizes HCL: values of any kind. */
  synthesizeHcl(writeOnly?: WriteOnly): Record<string, unknown> {
    return Object.fromEntries(
      Object.entries(this.synthesize(writeOnly)).map(([key, value]) => [
        key,
        { value, isBlock: false, type: 'any' },
      ]),
    );
  }
}

/**
 * A construct's inputs under Terraform's names. Tokens are left as they are, for the library resolves them. Map keys are
 * the user's own.
 *
 * @throws StasisError `input.unknown-attribute`, `input.missing`, `member.no-driver`, `member.two-drivers`, each with its
 * place in the message: a program in JavaScript has no type check.
 */
function toTerraform(
  attributes: Attributes,
  values: Values,
  writeOnly: WriteOnly,
  at: readonly string[] = [],
): Record<string, unknown> {
  refuseUnknown(attributes, values, at);
  const entries = Object.entries(attributes).flatMap(([name, attribute]) => {
    const place = [...at, name];
    const value = values[name];
    if (value !== undefined && value !== null)
      return [[attribute.key, one(attribute, value, writeOnly, place)]];
    if (attribute.required) throw fault('input.missing', 'This attribute is required.', place);
    return [];
  });
  return Object.fromEntries(entries);
}

function one(attribute: Attribute, value: unknown, writeOnly: WriteOnly, at: readonly string[]): unknown {
  if (attribute.writeOnly) return writeOnly(value, at);
  const { inner } = attribute;
  // A whole object, list or map may be a token.
  if (inner === undefined || typeof value !== 'object' || value === null || Token.isUnresolved(value))
    return value;
  switch (inner.nesting) {
    case 'single':
      return object(inner, value, writeOnly, at);
    case 'list':
      return elements(value).map(([index, element]) => object(inner, element, writeOnly, [...at, index]));
    case 'map':
      return Object.fromEntries(
        elements(value).map(([key, element]) => [key, object(inner, element, writeOnly, [...at, key])]),
      );
  }
}

function elements(value: object): [string, unknown][] {
  return Object.entries(value);
}

function object(inner: Inner, value: unknown, writeOnly: WriteOnly, at: readonly string[]): unknown {
  if (Token.isUnresolved(value)) return value;
  if (typeof value !== 'object' || value === null) throw fault('input.invalid', 'An object is expected.', at);
  const names = Object.keys(inner.attributes);
  const given = names.filter(
    (name) => (value as Values)[name] !== undefined && (value as Values)[name] !== null,
  );
  if (inner.exactlyOne && given.length !== 1 && refuseUnknown(inner.attributes, value as Values, at)) {
    const { code, message, hint } = driverChoiceProblem(at.at(-1) ?? '', given, names)!;
    throw fault(code, `${message} ${hint}`, at);
  }
  return toTerraform(inner.attributes, value as Values, writeOnly, at);
}

function refuseUnknown(attributes: Attributes, values: Values, at: readonly string[]): true {
  const unknown = Object.keys(values).find((name) => !Object.hasOwn(attributes, name));
  if (unknown !== undefined)
    throw fault('input.unknown-attribute', `There is no attribute "${unknown}" here.`, [...at, unknown]);
  return true;
}

/** Whoever reads it sees the message alone, so the place is in it. */
function fault(code: string, sentence: string, at: readonly string[]): StasisError {
  return new StasisError(code, `${at.join('.')}: ${sentence}`, { at });
}

/** The user part of a URL with a password in it. */
const PASSWORD = /^[a-z][a-z0-9+.-]*:\/\/[^:@/\s]*:([^@/\s]+)@/i;

/** Whether a value holds a secret that the program would write in plain text into what it synthesizes. */
export function isPlainSecret(value: unknown): boolean {
  if (typeof value !== 'string') return false;
  const password = PASSWORD.exec(value)?.[1];
  return password !== undefined && !Token.isUnresolved(password);
}
