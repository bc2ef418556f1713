import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CdkLibrary } from '../../../../scripts/build/constructs.ts';
import { Project } from '../../../e2e/constructs/project.ts';
import type { Outcome } from '../way.ts';
import { startGroup } from './group.ts';
import { CREATE_DATABASE } from './stand-in.ts';
import type { Writer } from './terraform.ts';

const ENGINE = join(import.meta.dirname, '..');
const NODE = join(ENGINE, '../../../node_modules/node/bin/node');

/** A user's project of one of the libraries, type-checked once; its program synthesizes what the engine reads. */
export async function openCdk(library: CdkLibrary): Promise<Writer> {
  await using ends = new AsyncDisposableStack();
  const project = ends.use(await Project.create(library));
  await copyFile(join(ENGINE, 'program.ts'), join(project.folder, 'program.ts'));
  await project.write('main.ts', await readFile(join(ENGINE, 'programs/cdk/main.ts'), 'utf8'));
  const options = ['--module', 'nodenext', '--allowImportingTsExtensions', '--erasableSyntaxOnly'];
  expectWell(await project.typeCheck(...options, 'main.ts'));
  const kept = ends.move();
  return {
    module: 'synthesized/stacks/engine',
    // The libraries' own backend keeps it in the program's folder.
    state: 'terraform.engine.tfstate',
    async write(program, folder) {
      await writeFile(join(folder, 'model.json'), JSON.stringify(program));
      const main = join(project.folder, 'main.ts');
      // The library keeps the state where the program runs.
      const argv = [NODE, main, 'synthesized', CREATE_DATABASE.join(' ')];
      const environment = { HOME: project.folder, CHECKPOINT_DISABLE: '1', NODE_NO_WARNINGS: '1' };
      const { status, all } = await startGroup(argv, folder, environment).ended;
      return status === 0 ? undefined : refusalOf(all);
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function expectWell({ status, all }: { readonly status: number; readonly all: string }): void {
  if (status !== 0) throw new Error(`the program ended with ${status}\n${all}`);
}

/** An error that the constructs throw, as Node prints it: the place begins its sentence. @throws Error for any other */
function refusalOf(text: string): Outcome {
  const [, at] = /StasisError: ([A-Za-z0-9.]+): /.exec(text) ?? [];
  const [, code] = /code: '([a-z.-]+)'/.exec(text) ?? [];
  if (at === undefined || code === undefined) throw new Error(`the program failed\n${text}`);
  const problem = { severity: 'error', resource: undefined, at, code } as const;
  return { succeeded: false, text, actions: {}, problems: [problem] };
}
