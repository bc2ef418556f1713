import type { Values } from '../../provider/core/resource.ts';
import type { Attribute, Shape } from '../../provider/engines/terraform/schema/attributes.ts';

/** A resource or data source in Terraform's language, formatted as `terraform fmt` leaves it. */
export function hclBlock(
  kind: 'resource' | 'data',
  typeName: string,
  label: string,
  attributes: readonly Attribute[],
  values: Values,
): string {
  const body = lines(
    attributes.flatMap(({ name, key, shape }) =>
      values[name] === undefined ? [] : [[key, text(shape, values[name], 1)] as const],
    ),
    1,
  );
  return `${kind} "${typeName}" "${label}" {\n${body}\n}\n`;
}

/** What fits on a line stays on it. */
const LINE_MAX_LENGTH = 100;

function text(shape: Shape, value: unknown, depth: number): string {
  if (shape.kind === 'list') {
    const items = (value as readonly unknown[]).map((item) => text(shape.element, item, depth + 1));
    return `[${items.join(', ')}]`;
  }
  if (shape.kind === 'map' || shape.kind === 'object') {
    const pairs = pairsOf(shape, value as Values, depth);
    if (pairs.length === 0) return '{}';
    const flat = `{ ${pairs.map(([key, item]) => `${key} = ${item}`).join(', ')} }`;
    const nested = shape.kind === 'map' && shape.element.kind === 'object';
    if (!nested && !flat.includes('\n') && flat.length + depth * 2 <= LINE_MAX_LENGTH) return flat;
    return `{\n${lines(pairs, depth + 1)}\n${'  '.repeat(depth)}}`;
  }
  return typeof value === 'string' ? quoted(value) : String(value);
}

function pairsOf(
  shape: Extract<Shape, { kind: 'map' | 'object' }>,
  values: Values,
  depth: number,
): (readonly [string, string])[] {
  if (shape.kind === 'map')
    return Object.entries(values).map(([key, item]) => [
      /^[A-Za-z_][\w-]*$/.test(key) ? key : quoted(key),
      text(shape.element, item, depth + 1),
    ]);
  return shape.attributes.flatMap((attribute) =>
    values[attribute.name] === undefined
      ? []
      : [[attribute.key, text(attribute.shape, values[attribute.name], depth + 1)] as const],
  );
}

/** Equals signs of consecutive one-line attributes stand below one another. */
function lines(pairs: readonly (readonly [string, string])[], depth: number): string {
  const indent = '  '.repeat(depth);
  const runs: (readonly [string, string])[][] = [[]];
  for (const pair of pairs) {
    runs.at(-1)!.push(pair);
    if (pair[1].includes('\n')) runs.push([]);
  }
  return runs
    .flatMap((run) => {
      const single = run.filter(([, value]) => !value.includes('\n'));
      const width = Math.max(0, ...single.map(([key]) => key.length));
      return run.map(
        ([key, value]) => `${indent}${value.includes('\n') ? key : key.padEnd(width)} = ${value}`,
      );
    })
    .join('\n');
}

/** Neither an interpolation nor a directive: what looks like one is escaped. */
function quoted(value: string): string {
  return JSON.stringify(value).replace(/[$%]\{/g, (sign) => sign.slice(0, 1) + sign);
}
