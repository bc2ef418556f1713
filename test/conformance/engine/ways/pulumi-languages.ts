import { copyFile, cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { which } from '../../../../scripts/setup/programs.ts';
import { installGo, installNode, installPython } from '../../../e2e/pulumi-sdk/install.ts';
import { Program as Folder } from '../../../e2e/pulumi-sdk/program.ts';
import { runWell } from '../../../e2e/pulumi-sdk/run.ts';
import { pulumiWith, pulumiWithVenv } from '../../../e2e/pulumi-sdk/tools.ts';
import { type Author, type Language, projectFile } from './pulumi.ts';

const ENGINE = join(import.meta.dirname, '..');
const SHOP = join(import.meta.dirname, '../../../../examples/shop');

/** Compiled once by the TypeScript that the example names, which checks its types. */
export const TYPESCRIPT: Language = {
  host: 'nodejs',
  missing: async () => undefined,
  prepare: () =>
    prepared('nodejs', async (built) => {
      await cp(join(ENGINE, 'programs/typescript'), built.folder, { recursive: true });
      await copyFile(join(ENGINE, 'program.ts'), join(built.folder, 'program.ts'));
      for (const name of ['package.json', 'tsconfig.json'])
        await copyFile(join(SHOP, 'pulumi-typescript', name), join(built.folder, name));
      await installNode(built);
      const compile = ['npx', 'tsc', '--noEmit', 'false', '--outDir', 'compiled'];
      await runWell(compile, { cwd: built.folder, env: built.environment });
      return async (folder) => {
        const runtime = '{ name: nodejs, options: { typescript: false } }';
        await writeFile(join(folder, 'Pulumi.yaml'), projectFile(runtime));
        await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, main: 'index.js' }));
        await copyFile(join(built.folder, 'compiled/index.js'), join(folder, 'index.js'));
        await symlink(join(built.folder, 'node_modules'), join(folder, 'node_modules'));
      };
    }),
};

export const PYTHON: Language = {
  host: 'python',
  async missing() {
    const tools = await pulumiWithVenv('python');
    return typeof tools === 'string' ? tools : undefined;
  },
  prepare: () =>
    prepared('python', async (built) => {
      await copyFile(join(SHOP, 'pulumi-python/requirements.txt'), join(built.folder, 'requirements.txt'));
      await installPython(built);
      return async (folder) => {
        const venv = join(built.folder, 'venv');
        await writeFile(
          join(folder, 'Pulumi.yaml'),
          projectFile(`{ name: python, options: { virtualenv: ${venv} } }`),
        );
        await copyFile(join(ENGINE, 'programs/python/__main__.py'), join(folder, '__main__.py'));
      };
    }),
};

export const GO: Language = {
  host: 'go',
  missing: async () => ((await which('go')) === undefined ? 'Go is not on PATH' : undefined),
  prepare: () =>
    prepared('go', async (built) => {
      await cp(join(ENGINE, 'programs/go'), built.folder, { recursive: true });
      await writeFile(join(built.folder, 'Pulumi.yaml'), projectFile('go'));
      await installGo(built);
      return async (folder) => {
        const binary = join(built.folder, 'program');
        await writeFile(
          join(folder, 'Pulumi.yaml'),
          projectFile(`{ name: go, options: { binary: ${binary} } }`),
        );
      };
    }),
};

/** A folder in which the SDK is installed and the program built, as a user would have them. */
async function prepared(
  host: Language['host'],
  build: (built: Folder) => Promise<Author['settle']>,
): Promise<Author> {
  const tools = await pulumiWith(host);
  if (typeof tools === 'string') throw new Error(tools);
  await using ends = new AsyncDisposableStack();
  const built = ends.use(await Folder.empty(tools));
  const settle = await build(built);
  const kept = ends.move();
  return {
    settle,
    async write(program, folder) {
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, 'model.json'), JSON.stringify(program));
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
