import type { Example, Values } from '../../../provider/core/resource.ts';
import { capitalized, type Property, type PulumiType } from './types.ts';

/** A secret in an example: programs take it from their stack's configuration, never from their text. */
export interface Secret {
  readonly config: string;
}

/** What an example is made of, for a program in any language. */
export interface Prepared {
  /** The logical name. */
  readonly label: string;
  readonly properties: readonly Property[];
  /** As the example has them, with `Secret` in the place of each secret. */
  readonly values: Values;
  /** Keys of the stack's configuration, in order. */
  readonly secrets: readonly string[];
}

export function isSecret(value: unknown): value is Secret {
  return typeof value === 'object' && value !== null && 'config' in value && Object.keys(value).length === 1;
}

/** The example's values with secrets taken out; the name goes where the logical name says it already. */
export function prepare(properties: readonly Property[], example: Example): Prepared {
  const { name } = example.inputs;
  const label = typeof name === 'string' && /^[a-z]\w*$/.test(name) ? name : 'example';
  const secrets = new Map<string, unknown>();
  const given = properties.filter(
    (property) => !(property.logicalName && example.inputs[property.name] === label),
  );
  const type: PulumiType = { kind: 'object', name: '', properties: given };
  const values = take(type, example.inputs, { path: [], owner: '', secret: false }, secrets) as Values;
  return { label, properties: given, values, secrets: [...secrets.keys()] };
}

interface Where {
  readonly path: readonly string[];
  /** The nearest key of a map: the member. */
  readonly owner: string;
  readonly secret: boolean;
}

function take(type: PulumiType, value: unknown, where: Where, secrets: Map<string, unknown>): unknown {
  const inner = (element: PulumiType, at: unknown, step: string, more: Partial<Where>) =>
    take(element, at, { ...where, path: [...where.path, step], ...more }, secrets);
  if (type.kind === 'list')
    return (value as readonly unknown[]).map((item, index) => inner(type.element, item, String(index), {}));
  if (type.kind === 'map')
    return Object.fromEntries(
      Object.entries(value as Values).map(([key, item]) => [
        key,
        inner(type.element, item, key, { owner: key }),
      ]),
    );
  if (type.kind === 'object')
    return Object.fromEntries(
      type.properties
        .filter(({ name }) => (value as Values)[name] !== undefined)
        .map((one) => [
          one.name,
          inner(one.type, (value as Values)[one.name], one.name, { secret: one.secret }),
        ]),
    );
  return where.secret ? { config: secretKey(where, value, secrets) } : value;
}

/** `ordersUrl` of `members.orders.postgres.url`; with where it stands before it when that is taken. */
function secretKey({ path, owner }: Where, value: unknown, secrets: Map<string, unknown>): string {
  const last = path.at(-1) ?? '';
  const short = owner === '' ? last : `${owner}${capitalized(last)}`;
  const key =
    secrets.has(short) && secrets.get(short) !== value ? `${path[0] ?? ''}${capitalized(short)}` : short;
  secrets.set(key, value);
  return key;
}
