import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Program, type ResourceModel, secretsOf, type Text } from '../program.ts';
import { type Language, projectFile, typeOf } from './pulumi.ts';

/** JSON is YAML, and is written here as such. */
export const YAML: Language = {
  host: 'yaml',
  missing: async () => undefined,
  async prepare() {
    return {
      async settle() {},
      async write(program, folder) {
        await writeFile(join(folder, 'Pulumi.yaml'), `${projectFile('yaml')}${yamlOf(program)}`);
      },
      async [Symbol.asyncDispose]() {},
    };
  },
};

function yamlOf(program: Program): string {
  const config = secretsOf(program).map((name) => [name, { type: 'string', secret: true }]);
  const resources = program.resources.map((resource) => [resource.id, resourceOf(resource)]);
  return [
    `config: ${JSON.stringify(Object.fromEntries(config))}`,
    `resources: ${JSON.stringify(Object.fromEntries([...providerOf(program), ...resources]), undefined, 2)}\n`,
  ].join('\n');
}

/** For all resources that name none. */
function providerOf({ hosts }: Program): [string, unknown][] {
  if (hosts === undefined) return [];
  const properties = { hosts: written(hosts) };
  return [['here', { type: 'pulumi:providers:stasis', defaultProvider: true, properties }]];
}

function resourceOf(resource: ResourceModel): unknown {
  const { kind, id: _id, formerly, imports, ...properties } = resource;
  const options = {
    ...(formerly === undefined ? {} : { aliases: [{ name: formerly }] }),
    ...(imports === undefined ? {} : { import: imports }),
  };
  return { type: typeOf(kind), properties: written(properties), options };
}

function written(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(written);
  if (typeof value !== 'object' || value === null) return value;
  const text = value as Exclude<Text, string>;
  if ('secret' in text) return `\${${text.secret}}`;
  if ('from' in text) return `\${${text.from.join('.')}}`;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, written(field)]));
}
