import { StasisError } from '../../../provider/core/errors.ts';
import type {
  ComponentDefinition,
  FunctionDefinition,
  ProviderDefinition,
  ResourceDefinition,
} from '../../../provider/core/resource.ts';
import { PACKAGE_NAME, tokenOf } from '../../../provider/engines/pulumi/naming.ts';
import { functionDescription, resourceDescription } from './descriptions.ts';
import { GO_PACKAGE, NODE_PACKAGE, PYTHON_PACKAGE } from './languages.ts';
import { type Property, type PulumiType, propertiesOf } from './types.ts';

type Json = Readonly<Record<string, unknown>>;

/** A resource or component as Pulumi sees it. */
export interface ResourceProperties {
  readonly inputs: readonly Property[];
  /** Of a resource, what is stored of its inputs is among them. */
  readonly outputs: readonly Property[];
}

export function resourceProperties({ name, inputs, outputs }: ResourceDefinition): ResourceProperties {
  const stored = propertiesOf(inputs, 'stored', name).map((property) => ({
    ...property,
    // An import knows no more than what the resource is called.
    required: property.logicalName,
  }));
  return {
    inputs: propertiesOf(inputs, 'input', name),
    outputs: [...stored, ...propertiesOf(outputs, 'output', name)],
  };
}

export function componentProperties({ name, inputs, outputs }: ComponentDefinition): ResourceProperties {
  return { inputs: propertiesOf(inputs, 'input', name), outputs: propertiesOf(outputs, 'output', name) };
}

export function functionProperties({ name, inputs, outputs }: FunctionDefinition): ResourceProperties {
  const owner = name.replace(/^get/, '');
  return { inputs: propertiesOf(inputs, 'input', owner), outputs: propertiesOf(outputs, 'output', owner) };
}

export function configurationProperties({ configuration }: ProviderDefinition): readonly Property[] {
  return propertiesOf(configuration, 'input', 'Provider');
}

/** The Pulumi package schema, from which the SDKs are generated and which the provider hands to the engine. */
export function pulumiSchemaJson(definition: ProviderDefinition): Json {
  const { resources, functions, components } = definition.catalog({});
  const types = new Map<string, Json>();
  const configuration = objectSpec(configurationProperties(definition), types);
  const names = resources.map(({ name }) => name);
  const resourceSpecs = [
    ...resources.map((one) => [one.name, resourceSpec(one, types)] as const),
    ...components.map((one) => [one.name, componentSpec(one, types)] as const),
  ];
  const functionSpecs = functions.map((one) => [one.name, functionSpec(one, names, types)] as const);
  return {
    name: PACKAGE_NAME,
    displayName: 'Stasis',
    version: definition.version,
    description: 'Snapshot and Restore of running applications, as resources.',
    keywords: ['pulumi', 'stasis', 'snapshot', 'restore', 'category/infrastructure'],
    license: 'Apache-2.0',
    publisher: 'Stasis',
    meta: { moduleFormat: '(.*)' },
    language: LANGUAGES,
    config: { variables: configuration.properties },
    provider: {
      type: 'object',
      description: 'What holds for all resources unless one of them says otherwise.',
      inputProperties: configuration.properties,
    },
    types: sorted([...types]),
    resources: sorted(resourceSpecs.map(([name, spec]) => [tokenOf(name), spec])),
    functions: sorted(functionSpecs.map(([name, spec]) => [tokenOf(name), spec])),
  };
}

const README = `# Stasis for Pulumi

Snapshot and Restore of running applications, as Pulumi resources. The plugin that does the work is put where Pulumi
finds it by \`stasis install pulumi\`. Generated from the schema of Stasis by \`npm run generate\`: edit that.
`;

const LANGUAGES = {
  nodejs: {
    packageName: NODE_PACKAGE,
    packageDescription: 'Snapshot and Restore of running applications, as Pulumi resources.',
    readme: README,
    respectSchemaVersion: true,
    dependencies: { '@pulumi/pulumi': '^3.165.0' },
    devDependencies: { typescript: '^5.0.0', '@types/node': '^20.0.0' },
  },
  python: {
    packageName: PYTHON_PACKAGE,
    readme: README,
    respectSchemaVersion: true,
    pyproject: { enabled: true },
    requires: { pulumi: '>=3.165.0,<4.0.0' },
  },
  go: {
    importBasePath: GO_PACKAGE,
    respectSchemaVersion: true,
    generateResourceContainerTypes: true,
  },
};

function resourceSpec(definition: ResourceDefinition, types: Map<string, Json>): Json {
  const properties = resourceProperties(definition);
  return {
    description: resourceDescription(definition, properties, definition.exampleId),
    ...sidesOf(properties, types),
  };
}

function componentSpec(definition: ComponentDefinition, types: Map<string, Json>): Json {
  const properties = componentProperties(definition);
  return {
    isComponent: true,
    description: resourceDescription(definition, properties),
    ...sidesOf(properties, types),
  };
}

function sidesOf({ inputs, outputs }: ResourceProperties, types: Map<string, Json>): Json {
  const { properties: inputProperties, required: requiredInputs } = objectSpec(inputs, types);
  return { ...objectSpec(outputs, types), inputProperties, requiredInputs };
}

function functionSpec(
  definition: FunctionDefinition,
  resources: readonly string[],
  types: Map<string, Json>,
): Json {
  const properties = functionProperties(definition);
  return {
    description: functionDescription(definition, properties, resources),
    inputs: { type: 'object', ...objectSpec(properties.inputs, types) },
    outputs: { type: 'object', ...objectSpec(properties.outputs, types) },
  };
}

function objectSpec(
  properties: readonly Property[],
  types: Map<string, Json>,
): { readonly properties: Json; readonly required: readonly string[] } {
  return {
    properties: sorted(properties.map((property) => [property.name, propertySpec(property, types)])),
    required: properties
      .filter(({ required }) => required)
      .map(({ name }) => name)
      .sort(),
  };
}

function propertySpec({ description, secret, type }: Property, types: Map<string, Json>): Json {
  return { ...typeSpec(type, types), description, ...(secret ? { secret } : {}) };
}

/** How a property says its type; named types are added to `types`. */
function typeSpec(type: PulumiType, types: Map<string, Json>): Json {
  switch (type.kind) {
    case 'any':
      return { $ref: 'pulumi.json#/Any' };
    case 'list':
      return { type: 'array', items: typeSpec(type.element, types) };
    case 'map':
      return { type: 'object', additionalProperties: typeSpec(type.element, types) };
    case 'enum':
      return named(type.name, { type: 'string', enum: type.values.map((value) => ({ value })) }, types);
    case 'object':
      return named(type.name, { type: 'object', ...objectSpec(type.properties, types) }, types);
    default:
      return { type: type.kind };
  }
}

/** @throws StasisError `schema.name-clash` for two different types of one name: our own mistake. */
function named(name: string, spec: Json, types: Map<string, Json>): Json {
  const token = tokenOf(name);
  const known = types.get(token);
  if (known !== undefined && JSON.stringify(known) !== JSON.stringify(spec))
    throw new StasisError('schema.name-clash', `Two different types are called ${name}.`);
  types.set(token, spec);
  return { $ref: `#/types/${token}` };
}

function sorted(entries: readonly (readonly [string, unknown])[]): Json {
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
