import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { Program } from './pulumi-sdk/program.ts';
import { seeShopThrough } from './pulumi-sdk/shop.ts';
import { pulumiWith, ROOT } from './pulumi-sdk/tools.ts';

function application(release: string, site: string, twin: string): string {
  return `name: app
runtime: yaml
resources:
  app:
    type: stasis:Application
    properties:
      members: { site: { files: { path: ${site} } } }
      release: "${release}"
      store: { path: ./snapshots }
      restoreTo:
        members: { site: { files: { path: ${twin} } } }
outputs:
  release: \${app.release}
  generation: \${app.generation}
  verdict: \${app.verdict}
`;
}

const pulumi = await pulumiWith('yaml');

if (typeof pulumi === 'string') test.skip(`the shop in YAML (${pulumi})`, () => {});
else
  describe('in YAML, which needs no SDK', () => {
    test('the shop is captured and brought back to life', async () => {
      await using program = await Program.ofExample(pulumi, 'shop/pulumi-yaml');
      await seeShopThrough(program);
    }, 300_000);

    test('an application is captured before each change of its release, and restored where it says', async () => {
      await using program = await Program.empty(pulumi);
      const [site, twin] = [join(program.root, 'site'), join(program.root, 'twin')];
      await mkdir(site);
      await writeFile(join(site, 'page'), 'of the first release\n');
      const write = (release: string) =>
        writeFile(join(program.folder, 'Pulumi.yaml'), application(release, site, twin));
      await write('1');
      await program.ok('stack', 'init', 'test');
      await program.ok('up', '--yes');
      expect(await program.outputs()).toEqual({ release: '1', generation: 1, verdict: 'identical' });
      expect(await readFile(join(twin, 'page'), 'utf8')).toBe('of the first release\n');
      await program.ok('preview', '--expect-no-changes');

      await writeFile(join(site, 'page'), 'as it was before the second\n');
      await program.ok('preview', '--expect-no-changes');
      await write('2');
      await program.ok('up', '--yes');
      expect(await program.outputs()).toMatchObject({ release: '2', generation: 2 });
      expect(await readFile(join(twin, 'page'), 'utf8')).toBe('of the first release\n');
    }, 300_000);

    test('the engine takes our schema for what it says', async () => {
      await using program = await Program.ofExample(pulumi, 'shop/pulumi-yaml');
      const plugin = join(ROOT, 'bin/pulumi-resource-stasis');
      const { stdout } = await program.ok('package', 'get-schema', plugin);
      expect(Object.keys(JSON.parse(stdout).resources)).toEqual([
        'stasis:index:Application',
        'stasis:index:Comparison',
        'stasis:index:Drill',
        'stasis:index:Restore',
        'stasis:index:Snapshot',
      ]);
    }, 120_000);
  });
