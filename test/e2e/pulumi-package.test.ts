import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import type { PulumiLanguage, PulumiTools } from '../../scripts/engines/pulumi.ts';
import { mendImports } from '../../scripts/generate/pulumi/imports.ts';
import { Program } from './pulumi-sdk/program.ts';
import { pulumiWith, ROOT } from './pulumi-sdk/tools.ts';

jest.setTimeout(240_000);

const YAML = `name: site
runtime: yaml
resources:
  shop:
    type: stasis:Snapshot
    properties:
      members: { site: { files: { path: ./site } } }
      store: { path: ./store }
outputs:
  generation: \${shop.generation}
`;

/** Programs that name no package of ours yet, and how a source file of their language ends. */
const LANGUAGES = {
  nodejs: {
    ext: '.ts',
    files: { 'package.json': '{"name":"site","dependencies":{"@pulumi/pulumi":"3.259.0"}}' },
  },
  python: { ext: '.py', files: { 'requirements.txt': 'pulumi\n', '__main__.py': '' } },
  go: {
    ext: '.go',
    files: { 'go.mod': 'module site\n\ngo 1.25\n', 'main.go': 'package main\n\nfunc main() {}\n' },
  },
} as const;
type Language = keyof typeof LANGUAGES;

/** The SDK's sources below a folder, by path, with what the generator's build got wrong mended. */
async function sources(folder: string, language: Language): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter(({ name }) => name.endsWith(LANGUAGES[language].ext));
  const read = files.map(async ({ parentPath, name }) => {
    const path = join(parentPath, name);
    return [`${language}/${relative(folder, path)}`, await readFile(path, 'utf8')] as const;
  });
  return mendImports(new Map((await Promise.all(read)).sort(([a], [b]) => (a < b ? -1 : 1))));
}

await describeWith('yaml', (pulumi) => {
  test('a YAML program takes the package by "pulumi package add", and "pulumi install" finds all that it needs', async () => {
    await using program = await Program.empty(pulumi);
    await mkdir(join(program.folder, 'site'));
    await writeFile(join(program.folder, 'Pulumi.yaml'), YAML);
    await program.ok('package', 'add', 'stasis');
    const project = await readFile(join(program.folder, 'Pulumi.yaml'), 'utf8');
    expect(project).toMatch(/packages:\n +stasis: stasis@\d+\.\d+\.\d+\n/);
    await program.ok('install');
    await program.ok('stack', 'init', 'test');
    await program.ok('up', '--yes', '--skip-preview');
    expect(await program.outputs()).toEqual({ generation: 1 });
    await program.ok('preview', '--expect-no-changes');
  });

  test('the installed plugin gives its schema by name: the one that the SDKs are made of', async () => {
    await using program = await Program.empty(pulumi);
    await writeFile(join(program.folder, 'Pulumi.yaml'), YAML);
    const { stdout } = await program.ok('package', 'get-schema', 'stasis');
    // The CLI leaves out what is empty.
    const parse = (text: string) =>
      JSON.parse(text, (_key, value) => (Array.isArray(value) && value.length === 0 ? undefined : value));
    const ours = parse(await readFile(join(ROOT, 'schema/pulumi.json'), 'utf8'));
    const { resources, types, functions, config } = parse(stdout);
    expect({ resources, types, functions, config }).toEqual({
      resources: ours.resources,
      types: ours.types,
      functions: ours.functions,
      config: ours.config,
    });
  });
});

for (const language of Object.keys(LANGUAGES) as Language[])
  await describeWith(language, (pulumi) => {
    test(`"pulumi package add" in a program in ${language} makes the SDK that is in sdk/`, async () => {
      await using program = await Program.empty(pulumi);
      await writeFile(join(program.folder, 'Pulumi.yaml'), `name: site\nruntime: ${language}\n`);
      for (const [name, content] of Object.entries(LANGUAGES[language].files))
        await writeFile(join(program.folder, name), content);
      const { status, all } = await program.run('package', 'add', 'stasis');
      // Hosts older than this CLI generate the SDK, and cannot write it down in the program's own list of packages.
      if (status !== 0) expect(all).toContain('linking package: unknown method Link for service');
      const added = await sources(join(program.folder, 'sdks/stasis'), language);
      const kept = await sources(join(ROOT, 'sdk', language), language);
      expect([...added.keys()]).toEqual([...kept.keys()]);
      for (const [path, text] of kept) expect(versionless(added.get(path))).toBe(versionless(text));
    });
  });

/** An SDK of one program has the version written in; ours reads it from its own package. */
function versionless(text = ''): string {
  return text.replace(/^ +return (_version_str|"\d+\.\d+\.\d+")$/m, '');
}

async function describeWith(language: PulumiLanguage, tests: (pulumi: PulumiTools) => void): Promise<void> {
  const pulumi = await pulumiWith(language);
  if (typeof pulumi === 'string') test.skip(`packages in ${language} (${pulumi})`, () => {});
  else describe(`with pulumi and its host for ${language}`, () => tests(pulumi));
}
