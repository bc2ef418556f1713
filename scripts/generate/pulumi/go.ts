import { isSecret, type Prepared } from './example.ts';
import { GO_PACKAGE } from './languages.ts';
import { layOut, type Piece, type Style } from './layout.ts';
import { capitalized, type Property, type PulumiType } from './types.ts';

const STYLE: Style = { indent: '\t', padding: '', aligned: true };

/** A resource or component in Go. */
export function goResource(name: string, example: Prepared): string {
  const args = argumentsOf(
    `stasis.New${name}(ctx, ${JSON.stringify(example.label)}, &stasis.${name}Args{`,
    example,
  );
  return program(example, [`_, err := ${layOut(args, STYLE, 2)}`, 'return err']);
}

/**
 * A look-up in Go, where the one of a resource's own name is called `Lookup…`.
 * `resources` are the names of all resources.
 */
export function goFunction(name: string, example: Prepared, resources: readonly string[]): string {
  const noun = name.replace(/^get/, '');
  const called = resources.includes(noun) ? `Lookup${noun}` : capitalized(name);
  const args = argumentsOf(`stasis.${called}Output(ctx, stasis.${called}OutputArgs{`, example);
  return program(example, [`found := ${layOut(args, STYLE, 2)}`, 'ctx.Export("found", found)', 'return nil']);
}

function program({ secrets }: Prepared, body: readonly string[]): string {
  const config = secrets.length === 0 ? [] : ['cfg := config.New(ctx, "")'];
  const imports = [
    GO_PACKAGE,
    'github.com/pulumi/pulumi/sdk/v3/go/pulumi',
    ...(secrets.length === 0 ? [] : ['github.com/pulumi/pulumi/sdk/v3/go/pulumi/config']),
  ].sort();
  return `package main

import (
${imports.map((path) => `\t"${path}"`).join('\n')}
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
${[...config, ...body].map((line) => `\t\t${line}`).join('\n')}
	})
}
`;
}

function argumentsOf(open: string, { properties, values }: Prepared): Piece {
  return { open, close: '})', broken: true, items: fieldsOf(properties, values) };
}

function fieldsOf(properties: readonly Property[], values: object): { key: string; value: Piece }[] {
  const given = values as Readonly<Record<string, unknown>>;
  const present = properties.filter(({ name }) => name in given);
  return present.map(({ name, type }) => ({
    key: `${capitalized(name)}: `,
    value: pieceOf(type, given[name]),
  }));
}

function pieceOf(type: PulumiType, value: unknown): Piece {
  if (isSecret(value)) return `cfg.RequireSecret("${value.config}")`;
  switch (type.kind) {
    case 'object':
      return {
        open: `&stasis.${type.name}Args{`,
        close: '}',
        items: fieldsOf(type.properties, value as object),
      };
    case 'map':
      return {
        open: `${collectionOf(type.element)}Map{`,
        close: '}',
        items: Object.entries(value as object).map(([key, item]) => ({
          key: `${JSON.stringify(key)}: `,
          value: pieceOf(type.element, item),
        })),
      };
    case 'list':
      return {
        open: `${collectionOf(type.element)}Array{`,
        close: '}',
        items: (value as readonly unknown[]).map((item) => ({ key: '', value: pieceOf(type.element, item) })),
      };
    default:
      return `${collectionOf(type)}(${JSON.stringify(value)})`;
  }
}

/** What names of Go's input types begin with: `pulumi.String`, `stasis.Member`. */
function collectionOf(type: PulumiType): string {
  switch (type.kind) {
    case 'enum':
    case 'object':
      return `stasis.${type.name}`;
    case 'list':
      return `${collectionOf(type.element)}Array`;
    case 'map':
      return `${collectionOf(type.element)}Map`;
    default:
      return `pulumi.${{ string: 'String', integer: 'Int', number: 'Float64', boolean: 'Bool', any: 'Any' }[type.kind]}`;
  }
}
