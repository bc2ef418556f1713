import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { snakeCase } from '../../../../provider/engines/terraform/naming.ts';
import { type Program, type ResourceModel, secretsOf, type Text } from '../program.ts';
import { CREATE_DATABASE } from './stand-in.ts';
import { TYPES, type Writer } from './terraform.ts';

/** Writes a root module in Terraform's own language. */
export const HCL: Writer = {
  module: 'module',
  state: 'module/terraform.tfstate',
  async write(program, folder) {
    await mkdir(join(folder, 'module'), { recursive: true });
    await writeFile(join(folder, 'module/main.tf'), hclOf(program));
    return undefined;
  },
  async [Symbol.asyncDispose]() {},
};

function hclOf(program: Program): string {
  const plain = program.resources.flatMap((resource) =>
    resource.kind === 'Database' ? [resource.wanted.secret] : [],
  );
  const variables = secretsOf(program).map((name) =>
    // What a resource of the engine keeps in the state cannot be ephemeral.
    block(`variable "${name}"`, `type = string`, 'sensitive = true', `ephemeral = ${!plain.includes(name)}`),
  );
  const required =
    'terraform {\n  required_providers {\n    stasis = { source = "stasis-iac/stasis" }\n  }\n}\n';
  const provider =
    program.hosts === undefined ? [] : [block('provider "stasis"', `hosts = ${hclValue(program.hosts)}`)];
  return [required, ...variables, ...provider, ...program.resources.flatMap(blocksOf)].join('\n');
}

function blocksOf(resource: ResourceModel): string[] {
  const { kind, id, formerly, imports } = resource;
  const address = `${TYPES[kind]}.${id}`;
  return [
    block(`resource "${TYPES[kind]}" "${id}"`, ...bodyOf(resource)),
    ...(formerly === undefined
      ? []
      : [block('moved', `from = ${TYPES[kind]}.${formerly}`, `to = ${address}`)]),
    ...(imports === undefined ? [] : [block('import', `to = ${address}`, `id = ${JSON.stringify(imports)}`)]),
  ];
}

function bodyOf(resource: ResourceModel): string[] {
  if (resource.kind === 'Database') {
    const url = hclValue(resource.wanted);
    return [
      `input = ${url}`,
      block(
        'provisioner "local-exec"',
        `command = ${JSON.stringify(CREATE_DATABASE.join(' '))}`,
        `environment = { DATABASE_URL = ${url} }`,
      ),
    ];
  }
  const { kind: _kind, id: _id, formerly: _formerly, imports: _imports, ...attributes } = resource;
  return Object.entries(attributes).flatMap(([name, value]) =>
    value === undefined ? [] : [`${snakeCase(name)} = ${hclValue(value)}`],
  );
}

/** Attributes get the names that they have in HCL; the names that users give, in maps, stay. */
function hclValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(hclValue).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return literal(value);
  const text = value as Exclude<Text, string>;
  if ('secret' in text) return `var.${text.secret}`;
  if ('from' in text) return referenceTo(text.from);
  const fields = Object.entries(value).map(([name, field]) => `${snakeCase(name)} = ${hclValue(field)}`);
  return `{ ${fields.join(', ')} }`;
}

function referenceTo([id, attribute]: readonly [string, string]): string {
  return attribute === 'url'
    ? `terraform_data.${id}.output`
    : `stasis_snapshot.${id}.${snakeCase(attribute)}`;
}

function block(head: string, ...lines: readonly string[]): string {
  return `${head} {\n${lines.map((line) => `  ${line.replaceAll('\n', '\n  ')}`).join('\n')}\n}\n`;
}

/** What looks like an interpolation or a directive is escaped. */
function literal(value: unknown): string {
  return JSON.stringify(value).replace(/[$%]\{/g, (sign) => sign.slice(0, 1) + sign);
}
