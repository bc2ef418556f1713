import type {
  ComponentDefinition,
  Example,
  FunctionDefinition,
  ResourceDefinition,
} from '../../../provider/core/resource.ts';
import { type Prepared, prepare } from './example.ts';
import { goFunction, goResource } from './go.ts';
import { pythonFunction, pythonResource } from './python.ts';
import type { ResourceProperties } from './schema.ts';
import { typescriptFunction, typescriptResource } from './typescript.ts';
import { yamlFunction, yamlResource } from './yaml.ts';

/** A program in each language that Pulumi speaks and we ship, by the name that a fence has. */
export type Programs = Readonly<Record<'typescript' | 'python' | 'go' | 'yaml', string>>;

export function resourcePrograms(name: string, example: Prepared): Programs {
  return {
    typescript: typescriptResource(name, example),
    python: pythonResource(name, example),
    go: goResource(name, example),
    yaml: yamlResource(`stasis:${name}`, example),
  };
}

/** `resources` are the names of all resources: Go calls a look-up of the same name otherwise. */
export function functionPrograms(name: string, example: Prepared, resources: readonly string[]): Programs {
  return {
    typescript: typescriptFunction(name, example),
    python: pythonFunction(name, example),
    go: goFunction(name, example, resources),
    yaml: yamlFunction(`stasis:${name}`, example),
  };
}

/** What a resource's documentation says in every SDK. `exampleId` is absent of what cannot be imported. */
export function resourceDescription(
  { name, summary, examples }: ResourceDefinition | ComponentDefinition,
  { inputs }: ResourceProperties,
  exampleId?: string,
): string {
  const programs = (example: Example) => resourcePrograms(name, prepare(inputs, example));
  const [first] = examples;
  const label = first === undefined ? 'example' : prepare(inputs, first).label;
  const parts = [summary, exampleSection(examples, programs)];
  if (exampleId !== undefined)
    parts.push(
      `## Import\n\nWhat an import takes is the \`id\`.\n\n\`\`\`sh\n$ pulumi import stasis:index:${name} ${label} '${exampleId}'\n\`\`\``,
    );
  return `${parts.join('\n\n')}\n`;
}

export function functionDescription(
  { name, summary, examples }: FunctionDefinition,
  { inputs }: ResourceProperties,
  resources: readonly string[],
): string {
  const programs = (example: Example) => functionPrograms(name, prepare(inputs, example), resources);
  return `${summary}\n\n${exampleSection(examples, programs)}\n`;
}

/** In the form in which Pulumi's generators leave out the other languages' programs. */
function exampleSection(examples: readonly Example[], programs: (example: Example) => Programs): string {
  const each = examples.map(
    (example) =>
      `{{% example %}}\n### ${example.title}\n\n${fences(programs(example)).join('\n')}\n{{% /example %}}`,
  );
  return `{{% examples %}}\n## Example Usage\n\n${each.join('\n\n')}\n{{% /examples %}}`;
}

export function fences(programs: Programs): string[] {
  return Object.entries(programs).map(([language, code]) => `\`\`\`${language}\n${code}\`\`\``);
}
