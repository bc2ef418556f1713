import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { findTool } from '../../scripts/setup/tools.ts';
import { run, runWell } from './pulumi-sdk/run.ts';

const ROOT = join(import.meta.dirname, '../..');
/** What is copied: our own sources, and all that is generated from them. */
const COPIED = [
  ...['provider', 'scripts', 'constructs', 'schema', 'sdk', 'docs'],
  ...['package.json', 'package-lock.json', 'tsconfig.json'],
];
const SPEC = 'provider/drivers/files/spec.ts';
const LANGUAGES = ['nodejs', 'python', 'go'] as const;

/** Text of every file below a folder, by path. */
async function contents(folder: string): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const pairs = files.map(async (path) => [relative(folder, path), await readFile(path, 'utf8')] as const);
  return new Map(await Promise.all(pairs));
}

const tools = [
  await findTool('pulumi', 'exact'),
  ...(await Promise.all(LANGUAGES.map((language) => findTool(`pulumi-language-${language}`, 'exact')))),
];
const missing = tools.find((tool) => typeof tool !== 'string');

if (typeof missing === 'object')
  test.skip(`one more property, in everything that is generated (${missing.reason})`, () => {});
else
  describe('one more optional property of one driver, and npm run generate alone', () => {
    let folder: string;
    let before: ReadonlyMap<string, string>;
    let after: ReadonlyMap<string, string>;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'stasis-generate-'));
      for (const path of COPIED) await cp(join(ROOT, path), join(folder, path), { recursive: true });
      await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
      const spec = await readFile(join(folder, SPEC), 'utf8');
      const wider = spec.replace(
        /strictObject\(\{ path, exclude/,
        "strictObject({ maxDepth: z.number().int().optional().describe('How far down to look.').meta({ role: 'selection' }), path, exclude",
      );
      expect(wider).not.toBe(spec);
      await writeFile(join(folder, SPEC), wider);
      before = await contents(folder);
      await runWell(['npm', 'run', 'generate'], { cwd: folder });
      after = await contents(folder);
    }, 900_000);
    afterAll(() => rm(folder, { recursive: true, force: true }));

    test.each([
      ['the schema for Terraform', 'schema/terraform.json', '"max_depth"'],
      ['the schema for Pulumi', 'schema/pulumi.json', '"maxDepth"'],
      ['the Node SDK', 'sdk/nodejs/types/input.ts', 'maxDepth?: pulumi.Input<number>'],
      ['the Python SDK', 'sdk/python/pulumi_stasis/_inputs.py', 'max_depth: NotRequired'],
      ['the Go SDK', 'sdk/go/stasis/pulumiTypes.go', 'MaxDepth pulumi.IntPtrInput'],
      ['the bindings for CDKTF and CDK Terrain', 'constructs/bindings/stasis.gen.ts', 'maxDepth'],
      ['the docs', 'docs/reference/drivers/files.md', '| `max_depth`'],
    ])('is in %s', (_, path, word) => {
      expect(before.get(path)).not.toContain(word);
      expect(after.get(path)).toContain(word);
    });

    test('changes nothing that is not generated, and a second time nothing at all', async () => {
      const changed = [...after.keys()].filter((path) => before.get(path) !== after.get(path));
      const generated = /^(schema|sdk|docs\/reference|constructs\/bindings)\//;
      expect(changed.filter((path) => !generated.test(path))).toEqual([]);
      expect([...before.keys()].filter((path) => !after.has(path))).toEqual([]);
      const again = await run(['npm', 'run', 'generate', '--', '--check'], { cwd: folder });
      expect(again).toMatchObject({ status: 0, stdout: expect.stringContaining('up to date') });
    }, 300_000);

    test('is told where it was forgotten', async () => {
      await rm(join(folder, 'sdk/go/stasis/pulumiTypes.go'));
      const told = await run(['npm', 'run', 'generate', '--', '--check'], { cwd: folder });
      expect(told).toMatchObject({
        status: 1,
        stdout: expect.stringContaining('not up to date: sdk/go/stasis/pulumiTypes.go'),
      });
    }, 300_000);
  });
