import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from './tools.ts';

interface Described {
  readonly description: string;
}

/** Every program in a language that the schema's descriptions hold, which all SDKs and pages repeat. */
export async function documentedPrograms(language: string): Promise<readonly string[]> {
  const { resources, functions } = JSON.parse(
    await readFile(join(ROOT, 'schema/pulumi.json'), 'utf8'),
  ) as Readonly<Record<'resources' | 'functions', Readonly<Record<string, Described>>>>;
  const fence = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm');
  return [...Object.values(resources), ...Object.values(functions)].flatMap(({ description }) =>
    [...description.matchAll(fence)].map(([, code = '']) => code),
  );
}
