import { StasisError } from '../../../core/errors.ts';
import type { FunctionDefinition, ProviderDefinition, ResourceDefinition } from '../../../core/resource.ts';
import { typeNameOf } from '../naming.ts';
import { type Message, NESTING, STRING_KIND } from '../wire/messages.ts';
import { type Attribute, attributesOf, type Shape } from './attributes.ts';

/** The identity that the definition keeps beside inputs and outputs: store and name. */
const ID: Attribute = {
  name: 'id',
  key: 'id',
  description: 'The identity of the resource, which an import takes.',
  presence: 'computed',
  sensitive: false,
  writeOnly: false,
  shape: { kind: 'string' },
};

/** Names that Terraform keeps for itself in every resource and data block. */
const RESERVED = ['connection', 'count', 'depends_on', 'for_each', 'lifecycle', 'provider', 'provisioner'];

/**
 * A resource or a look-up as Terraform sees it: one object of inputs and outputs. A resource has its id besides; an
 * output of a look-up that has an input's name gives what was found, in the input's place.
 */
export interface BlockType {
  readonly typeName: string;
  readonly inputs: readonly Attribute[];
  readonly outputs: readonly Attribute[];
  /** All of them, a resource's id first. */
  readonly attributes: readonly Attribute[];
}

/** @throws StasisError `schema.name-clash` for two attributes of one name, or one that Terraform reserves. */
export function resourceType(definition: ResourceDefinition): BlockType {
  const inputs = attributesOf(definition.inputs, 'resource');
  const outputs = attributesOf(definition.outputs, 'output');
  const attributes = [ID, ...inputs, ...outputs];
  refuseClashes(definition.name, attributes);
  return { typeName: typeNameOf(definition.name), inputs, outputs, attributes };
}

export function dataSourceType(definition: FunctionDefinition): BlockType {
  const inputs = attributesOf(definition.inputs, 'lookup');
  const outputs = attributesOf(definition.outputs, 'output');
  const keys = new Set(inputs.map((input) => input.key));
  const attributes = [...inputs, ...outputs.filter((output) => !keys.has(output.key))];
  refuseClashes(definition.name, attributes);
  return { typeName: typeNameOf(definition.dataSource), inputs, outputs, attributes };
}

export function configurationAttributes(definition: ProviderDefinition): readonly Attribute[] {
  return attributesOf(definition.configuration, 'configuration');
}

function refuseClashes(owner: string, attributes: readonly Attribute[]): void {
  const seen = new Set<string>(RESERVED);
  for (const { key } of attributes) {
    if (seen.has(key))
      throw new StasisError('schema.name-clash', `${owner}: the attribute name ${key} is taken.`);
    seen.add(key);
  }
}

/** Everything that the provider serves, in the protocol's form. */
export function providerSchema(definition: ProviderDefinition): Message<'GetProviderSchema.Response'> {
  const { resources, functions } = definition.catalog({});
  return {
    provider: schemaOf(configurationAttributes(definition), ''),
    resourceSchemas: Object.fromEntries(
      resources.map((resource) => {
        const { typeName, attributes } = resourceType(resource);
        return [typeName, schemaOf(attributes, resource.summary)];
      }),
    ),
    dataSourceSchemas: Object.fromEntries(
      functions.map((lookup) => {
        const { typeName, attributes } = dataSourceType(lookup);
        return [typeName, schemaOf(attributes, lookup.summary)];
      }),
    ),
    serverCapabilities: { planDestroy: true, getProviderSchemaOptional: true },
  };
}

function schemaOf(attributes: readonly Attribute[], description: string): Message<'Schema'> {
  return {
    version: 0,
    block: {
      attributes: attributes.map(attributeMessage),
      description,
      descriptionKind: STRING_KIND.markdown,
    },
  };
}

function attributeMessage(attribute: Attribute): Message<'Schema.Attribute'> {
  const { key, description, presence, sensitive, writeOnly, shape } = attribute;
  return {
    name: key,
    ...typeOf(shape),
    description,
    required: presence === 'required',
    optional: presence === 'optional',
    computed: presence === 'computed',
    sensitive,
    writeOnly,
    descriptionKind: STRING_KIND.markdown,
  };
}

/** Objects, and lists and maps of them, are nested attributes; all else has a type constraint. */
function typeOf(shape: Shape): Pick<Message<'Schema.Attribute'>, 'type' | 'nestedType'> {
  if (shape.kind === 'object') return { nestedType: nested(shape.attributes, NESTING.single) };
  if (shape.kind === 'list' && shape.element.kind === 'object')
    return { nestedType: nested(shape.element.attributes, NESTING.list) };
  if (shape.kind === 'map' && shape.element.kind === 'object')
    return { nestedType: nested(shape.element.attributes, NESTING.map) };
  return { type: Buffer.from(JSON.stringify(constraintOf(shape))) };
}

function nested(attributes: readonly Attribute[], nesting: number): Message<'Schema.Object'> {
  return { attributes: attributes.map(attributeMessage), nesting };
}

/** A type constraint in the JSON that Terraform reads and prints: `["map","string"]`. */
function constraintOf(shape: Shape): unknown {
  switch (shape.kind) {
    case 'number':
      return 'number';
    case 'boolean':
      return 'bool';
    case 'list':
      return ['list', constraintOf(shape.element)];
    case 'map':
      return ['map', constraintOf(shape.element)];
    case 'object':
      return [
        'object',
        Object.fromEntries(
          shape.attributes.map((attribute) => [attribute.key, constraintOf(attribute.shape)]),
        ),
      ];
    default:
      return 'string';
  }
}
