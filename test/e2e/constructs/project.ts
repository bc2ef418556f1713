import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildConstructs, type CdkLibrary, CONSTRUCTS_PACKAGE } from '../../../scripts/build/constructs.ts';

const ROOT = join(import.meta.dirname, '../../..');
const NODE_FOLDER = join(ROOT, 'node_modules/node/bin');
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');
const run = promisify(execFile);

export interface Ran {
  readonly status: number;
  readonly all: string;
}

/**
 * A folder of one user of one library: the package of the constructs as npm packs it, that library and `constructs`,
 * and nothing else, so that the other library is known not to be needed.
 */
export class Project implements AsyncDisposable {
  readonly library: CdkLibrary;
  readonly folder: string;

  private constructor(library: CdkLibrary, folder: string) {
    this.library = library;
    this.folder = folder;
  }

  /** `type` is that of the user's package.json. */
  static async create(library: CdkLibrary, type: 'module' | 'commonjs' = 'module'): Promise<Project> {
    await buildConstructs();
    const folder = await mkdtemp(join(tmpdir(), 'stasis-cdk-'));
    const project = new Project(library, folder);
    const modules = join(folder, 'node_modules');
    await mkdir(join(modules, '@stasis-iac/constructs'), { recursive: true });
    const packed = await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], {
      cwd: CONSTRUCTS_PACKAGE,
    });
    const tarball = join(folder, packed.stdout.trim());
    await run('tar', [
      '-xzf',
      tarball,
      '--strip-components=1',
      '-C',
      join(modules, '@stasis-iac/constructs'),
    ]);
    for (const name of [library, 'constructs'])
      await symlink(join(ROOT, 'node_modules', name), join(modules, name));
    await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, type }));
    return project;
  }

  async write(name: string, text: string): Promise<void> {
    await writeFile(join(this.folder, name), text.replaceAll('{library}', this.library));
  }

  /** Takes over an example's folder. */
  async copyFrom(example: string): Promise<void> {
    await cp(join(ROOT, 'examples', example), this.folder, { recursive: true });
  }

  /** Runs a program of the user's with our Node. */
  async node(...args: readonly string[]): Promise<Ran> {
    return this.#run(join(NODE_FOLDER, 'node'), ['--disable-warning=ExperimentalWarning', ...args]);
  }

  /** `cdktf synth` or `cdktn synth`, as `findNpmTool` says that it is started. */
  async synth([node = '', ...args]: readonly string[]): Promise<Ran> {
    return this.#run(node, [...args, 'synth']);
  }

  /** What TypeScript says of the project's files. */
  async typeCheck(...options: readonly string[]): Promise<Ran> {
    const settled = ['--noEmit', '--strict', '--skipLibCheck', '--types', 'node', '--target', 'es2022'];
    const types = ['--typeRoots', join(ROOT, 'node_modules/@types')];
    return this.#run(join(NODE_FOLDER, 'node'), [TSC, ...settled, ...types, ...options]);
  }

  /** What was synthesized for a stack. */
  async synthesized(stack: string): Promise<Record<string, never>> {
    return JSON.parse(await readFile(join(this.stackFolder(stack), 'cdk.tf.json'), 'utf8'));
  }

  stackFolder(stack: string): string {
    return join(this.folder, 'cdktf.out/stacks', stack);
  }

  async #run(program: string, args: readonly string[]): Promise<Ran> {
    const env = {
      PATH: `${NODE_FOLDER}:${process.env.PATH}`,
      HOME: this.folder,
      TMPDIR: this.folder,
      CHECKPOINT_DISABLE: '1',
    };
    const options = { cwd: this.folder, env, timeout: 180_000, maxBuffer: 16 * 1024 * 1024 };
    try {
      const { stdout, stderr } = await run(program, args, options);
      return { status: 0, all: stdout + stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code?: number; stdout?: string; stderr?: string };
      return { status: typeof code === 'number' ? code : -1, all: `${stdout ?? error}${stderr ?? ''}` };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
