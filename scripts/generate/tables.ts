import type { Attribute, Shape } from '../../provider/engines/terraform/schema/attributes.ts';

/** Where an attribute is described elsewhere, by its path: `members.*.postgres`. */
export type Links = ReadonlyMap<string, string>;

/**
 * A table of attributes, and below it one for each object inside them. A list or map of objects has its elements
 * described under `name[]` or `name.NAME`.
 */
export function attributeTables(attributes: readonly Attribute[], links: Links, path = ''): string {
  const rows = attributes.map((attribute) => row(attribute, links, joined(path, attribute.key)));
  const table = [
    '| attribute | type | |',
    '| --- | --- | --- |',
    ...rows.map((cells) => `| ${cells.join(' | ')} |`),
  ].join('\n');
  const nested = attributes.flatMap((attribute) => {
    const inner = objectIn(attribute.shape, joined(path, attribute.key));
    if (inner === undefined || links.has(inner.path)) return [];
    return [`### \`${inner.path}\`\n\n${attributeTables(inner.attributes, links, inner.path)}`];
  });
  return [table, ...nested].join('\n\n');
}

function joined(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

function row(attribute: Attribute, links: Links, path: string): [string, string, string] {
  const { name, key, presence, writeOnly, sensitive, description, shape } = attribute;
  const names = name === key ? `\`${key}\`` : `\`${key}\`<br>YAML: \`${name}\``;
  const link = links.get(path);
  const notes = [
    presence === 'required' ? 'Required.' : '',
    writeOnly ? 'Write-only: kept in no state.' : sensitive ? 'Sensitive.' : '',
    link === undefined ? '' : `See [${key}](${link}).`,
  ];
  const sentences = [description, ...notes].filter((note) => note !== '').join(' ');
  return [names, typeName(shape), sentences.replaceAll('|', '\\|').replaceAll('\n', ' ')];
}

function typeName(shape: Shape): string {
  switch (shape.kind) {
    case 'list':
      return `list of ${plural(shape.element)}`;
    case 'map':
      return `map of ${plural(shape.element)}`;
    case 'json':
      return 'JSON';
    default:
      return shape.kind;
  }
}

function plural(shape: Shape): string {
  return shape.kind === 'list' || shape.kind === 'map' ? `${typeName(shape)}` : `${typeName(shape)}s`;
}

function objectIn(
  shape: Shape,
  path: string,
): { readonly path: string; readonly attributes: readonly Attribute[] } | undefined {
  if (shape.kind === 'object') return { path, attributes: shape.attributes };
  if (shape.kind === 'list') return objectIn(shape.element, `${path}[]`);
  return shape.kind === 'map' ? objectIn(shape.element, `${path}.NAME`) : undefined;
}
