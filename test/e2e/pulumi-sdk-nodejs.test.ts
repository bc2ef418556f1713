import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { VERSION } from '../../provider/composition/version.ts';
import { documentedPrograms } from './pulumi-sdk/documented.ts';
import { installNode } from './pulumi-sdk/install.ts';
import { Program } from './pulumi-sdk/program.ts';
import { run } from './pulumi-sdk/run.ts';
import { seeShopThrough } from './pulumi-sdk/shop.ts';
import { pulumiWith } from './pulumi-sdk/tools.ts';

const pulumi = await pulumiWith('nodejs');

if (typeof pulumi === 'string') test.skip(`the Node SDK (${pulumi})`, () => {});
else
  describe('the Node SDK, built, packed and installed', () => {
    let program: Program;

    beforeAll(async () => {
      program = await Program.ofExample(pulumi, 'shop/pulumi-typescript');
      await installNode(program);
    }, 900_000);
    afterAll(() => program[Symbol.asyncDispose]());

    const typeErrors = async () =>
      (await run(['npx', 'tsc', '--noEmit'], { cwd: program.folder, env: program.environment })).stdout;

    test('has our version, and a plugin of the same', async () => {
      const folder = join(program.folder, 'node_modules/@stasis-iac/stasis');
      const { version, pulumi: plugin } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
      expect({ version, plugin: plugin.version }).toEqual({ version: VERSION, plugin: VERSION });
    });

    test('takes every program of the docs, and refuses what is not so', async () => {
      const documented = await documentedPrograms('typescript');
      expect(documented.length).toBeGreaterThan(4);
      const names = documented.map((_, index) => `documented-${index}.ts`);
      await Promise.all(
        documented.map((code, index) => writeFile(join(program.folder, names[index]!), code)),
      );
      const wrong = `import * as stasis from '@stasis-iac/stasis';
new stasis.Snapshot('a', { members: { b: { postgres: { uri: 'x' } } } });
new stasis.Restore('c', { snapshot: 'a', members: {}, verify: 'equal' });
`;
      await writeFile(join(program.folder, 'wrong.ts'), wrong);
      const config = JSON.parse(await readFile(join(program.folder, 'tsconfig.json'), 'utf8'));
      const write = (files: readonly string[]) =>
        writeFile(join(program.folder, 'tsconfig.json'), JSON.stringify({ ...config, files }));
      try {
        await write(['index.ts', ...names]);
        expect(await typeErrors()).toBe('');
        await write(['wrong.ts']);
        const errors = await typeErrors();
        expect(errors).toMatch(/wrong\.ts\(2,.*'uri' does not exist/);
        expect(errors).toMatch(/wrong\.ts\(3,.*"equal"/);
      } finally {
        await write(config.files);
      }
    }, 300_000);

    test('captures a shop in TypeScript, and brings it back to life', async () => {
      await seeShopThrough(program);
    }, 300_000);
  });
