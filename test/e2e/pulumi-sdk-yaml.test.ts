import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { Program } from './pulumi-sdk/program.ts';
import { seeShopThrough } from './pulumi-sdk/shop.ts';
import { pulumiWith, ROOT } from './pulumi-sdk/tools.ts';

const pulumi = await pulumiWith('yaml');

if (typeof pulumi === 'string') test.skip(`the shop in YAML (${pulumi})`, () => {});
else
  describe('in YAML, which needs no SDK', () => {
    test('the shop is captured and brought back to life', async () => {
      await using program = await Program.ofExample(pulumi, 'shop/pulumi-yaml');
      await seeShopThrough(program);
    }, 300_000);

    test('the engine takes our schema for what it says', async () => {
      await using program = await Program.ofExample(pulumi, 'shop/pulumi-yaml');
      const plugin = join(ROOT, 'bin/pulumi-resource-stasis');
      const { stdout } = await program.ok('package', 'get-schema', plugin);
      expect(Object.keys(JSON.parse(stdout).resources)).toEqual([
        'stasis:index:Application',
        'stasis:index:Restore',
        'stasis:index:Snapshot',
      ]);
    }, 120_000);
  });
