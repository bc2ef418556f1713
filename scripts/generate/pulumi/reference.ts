import type { Driver } from '../../../provider/core/driver.ts';
import type {
  ComponentDefinition,
  FunctionDefinition,
  ProviderDefinition,
  ResourceDefinition,
} from '../../../provider/core/resource.ts';
import { tokenOf } from '../../../provider/engines/pulumi/naming.ts';
import { snakeCase } from '../../../provider/engines/terraform/naming.ts';
import type { Attribute, Shape } from '../../../provider/engines/terraform/schema/attributes.ts';
import { attributeTables, type Links } from '../tables.ts';
import { fences, functionPrograms, type Programs, resourcePrograms } from './descriptions.ts';
import { prepare } from './example.ts';
import { NODE_PACKAGE, PYTHON_PACKAGE } from './languages.ts';
import {
  componentProperties,
  configurationProperties,
  functionProperties,
  type ResourceProperties,
  resourceProperties,
} from './schema.ts';
import type { Property, PulumiType } from './types.ts';

/** Makes a page of the reference of its title and parts. */
export type Page = (title: string, ...parts: readonly string[]) => string;

/** Every page of the reference for Pulumi, by its path below docs/reference. */
export function pulumiPages(
  definition: ProviderDefinition,
  drivers: readonly Driver[],
  page: Page,
): ReadonlyMap<string, string> {
  const { resources, functions, components } = definition.catalog({});
  const driverPages: Links = new Map(
    drivers.flatMap(({ name }) =>
      ['members', 'restoreTo.members'].map((path) => [`${path}.NAME.${name}`, `../drivers/${name}.md`]),
    ),
  );
  const names = resources.map(({ name }) => name);
  const pages = [
    ['README', index(definition, page)],
    ['provider', providerPage(definition, page)],
    ...resources.map((one) => [one.name, resourcePage(one, driverPages, page)]),
    ...components.map((one) => [one.name, componentPage(one, driverPages, page)]),
    ...functions.map((one) => [one.name, functionPage(one, names, page)]),
  ] as const;
  return new Map(pages.map(([name, text]) => [`pulumi/${pathOf(name)}`, text]));
}

/** `get-snapshot.md` of `getSnapshot`. */
function pathOf(name: string): string {
  return name === 'README' ? 'README.md' : `${snakeCase(name).replaceAll('_', '-')}.md`;
}

function index(definition: ProviderDefinition, page: Page): string {
  const { resources, functions, components } = definition.catalog({});
  const list = (all: readonly { readonly name: string; readonly summary: string }[]) =>
    all.map(({ name, summary }) => `- [${name}](${pathOf(name)}): ${summary}`).join('\n');
  return page(
    'Reference for Pulumi',
    `\`${NODE_PACKAGE}\` in TypeScript, \`${PYTHON_PACKAGE}\` in Python, \`sdk/go/stasis\` in Go, \`stasis:NAME\` in YAML. Names are given as TypeScript and YAML have them; Python writes \`max_pause_ms\` for \`maxPauseMs\`, and Go \`MaxPauseMs\`. [provider](provider.md) has what holds for all resources.`,
    '## Resources',
    list(resources),
    '## Components',
    list(components),
    '## Functions',
    list(functions),
  );
}

function providerPage(definition: ProviderDefinition, page: Page): string {
  return page(
    'The provider, in Pulumi',
    'What holds for all resources unless one of them says otherwise: set in the configuration of a stack, or as arguments of an explicit provider.',
    "```sh\npulumi config set --path 'stasis:store.path' ./snapshots\n```",
    tables(configurationProperties(definition), 'input', new Map()),
  );
}

function resourcePage(definition: ResourceDefinition, links: Links, page: Page): string {
  const properties = resourceProperties(definition);
  const programs = examplesOf(definition, properties, (name, example) => resourcePrograms(name, example));
  const label = prepare(properties.inputs, definition.examples[0] ?? { title: '', inputs: {} }).label;
  return page(
    definition.name,
    definition.summary,
    `\`${tokenOf(definition.name)}\``,
    ...programs,
    ...sides(properties, links),
    '## Import',
    'What an import takes is the `id`.',
    `\`\`\`sh\npulumi import ${tokenOf(definition.name)} ${label} '${definition.exampleId}'\n\`\`\``,
  );
}

function componentPage(definition: ComponentDefinition, links: Links, page: Page): string {
  const properties = componentProperties(definition);
  const programs = examplesOf(definition, properties, (name, example) => resourcePrograms(name, example));
  return page(
    definition.name,
    definition.summary,
    `\`${tokenOf(definition.name)}\`, a component.`,
    ...programs,
    ...sides(properties, links),
  );
}

function functionPage(definition: FunctionDefinition, resources: readonly string[], page: Page): string {
  const properties = functionProperties(definition);
  const programs = examplesOf(definition, properties, (name, example) =>
    functionPrograms(name, example, resources),
  );
  return page(
    definition.name,
    definition.summary,
    `\`${tokenOf(definition.name)}\``,
    ...programs,
    ...sides(properties, new Map()),
  );
}

function examplesOf(
  { name, examples }: ResourceDefinition | ComponentDefinition | FunctionDefinition,
  { inputs }: ResourceProperties,
  programs: (name: string, example: ReturnType<typeof prepare>) => Programs,
): string[] {
  return examples.flatMap((example) => [
    `## ${example.title}`,
    ...fences(programs(name, prepare(inputs, example))),
  ]);
}

function sides({ inputs, outputs }: ResourceProperties, links: Links): string[] {
  return ['## Inputs', tables(inputs, 'input', links), '## Outputs', tables(outputs, 'output', new Map())];
}

function tables(properties: readonly Property[], side: 'input' | 'output', links: Links): string {
  return attributeTables(
    properties.map((property) => asAttribute(property, side)),
    links,
  );
}

/** The same, in the words of the reference's tables. */
function asAttribute(property: Property, side: 'input' | 'output'): Attribute {
  const { name, description, required, secret, type } = property;
  const sentences = [
    description,
    type.kind === 'enum' ? `One of ${type.values.map((value) => `\`${value}\``).join(', ')}.` : '',
    secret ? `${isLeaf(type) ? 'Secret' : 'Holds secrets'}: encrypted in the state, shown nowhere.` : '',
  ];
  return {
    name,
    key: name,
    description: sentences.filter((sentence) => sentence !== '').join(' '),
    presence: side === 'output' ? 'computed' : required ? 'required' : 'optional',
    sensitive: false,
    writeOnly: false,
    shape: asShape(type, side),
  };
}

function isLeaf({ kind }: PulumiType): boolean {
  return kind !== 'object' && kind !== 'map' && kind !== 'list';
}

function asShape(type: PulumiType, side: 'input' | 'output'): Shape {
  switch (type.kind) {
    case 'enum':
      return { kind: 'string', allowed: type.values };
    case 'integer':
      return { kind: 'number' };
    case 'any':
      return { kind: 'json' };
    case 'list':
    case 'map':
      return { kind: type.kind, element: asShape(type.element, side) };
    case 'object':
      return { kind: 'object', attributes: type.properties.map((one) => asAttribute(one, side)) };
    default:
      return { kind: type.kind };
  }
}
