import type { ProviderDefinition } from '../../provider/core/resource.ts';
import { providerAddress } from '../../provider/engines/terraform/naming.ts';
import { providerSchema } from '../../provider/engines/terraform/schema/schema.ts';
import { type Message, NESTING } from '../../provider/engines/terraform/wire/messages.ts';

/**
 * What `terraform providers schema -json` prints of our provider, made without Terraform: bindings for other languages
 * are generated from it.
 */
export function terraformSchemaJson(definition: ProviderDefinition): unknown {
  const { provider, resourceSchemas, dataSourceSchemas } = providerSchema(definition);
  return {
    format_version: '1.0',
    provider_schemas: {
      [providerAddress('terraform')]: {
        provider: schemaOf(provider ?? {}),
        resource_schemas: byName(resourceSchemas ?? {}, schemaOf),
        data_source_schemas: byName(dataSourceSchemas ?? {}, schemaOf),
      },
    },
  };
}

function schemaOf({ version, block }: Message<'Schema'>): unknown {
  return {
    version: version ?? 0,
    block: {
      attributes: attributesOf(block?.attributes ?? []),
      ...(block?.description ? { description: block.description } : {}),
      description_kind: 'markdown',
    },
  };
}

function attributesOf(attributes: readonly Message<'Schema.Attribute'>[]): unknown {
  return byName(Object.fromEntries(attributes.map((one) => [one.name ?? '', one])), attributeOf);
}

function attributeOf(attribute: Message<'Schema.Attribute'>): unknown {
  const { type, nestedType, description, required, optional, computed, sensitive, writeOnly } = attribute;
  const flags = { required, optional, computed, sensitive, write_only: writeOnly };
  return {
    ...(type === undefined ? {} : { type: JSON.parse(Buffer.from(type).toString('utf8')) }),
    ...(nestedType === undefined ? {} : { nested_type: objectOf(nestedType) }),
    description,
    description_kind: 'markdown',
    ...Object.fromEntries(Object.entries(flags).filter(([, set]) => set === true)),
  };
}

const NESTING_NAMES = new Map<number | undefined, string>(
  Object.entries(NESTING).map(([name, value]) => [value, name]),
);

function objectOf({ attributes, nesting }: Message<'Schema.Object'>): unknown {
  return { attributes: attributesOf(attributes ?? []), nesting_mode: NESTING_NAMES.get(nesting) };
}

/** Sorted by name, as Terraform prints them. */
function byName<T>(values: Readonly<Record<string, T>>, map: (value: T) => unknown): Record<string, unknown> {
  const sorted = Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted.map(([name, value]) => [name, map(value)]));
}
