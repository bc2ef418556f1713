import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type PulumiTools, pulumiEnvironment } from '../../engines/pulumi.ts';
import { type RunOptions, timedRun } from '../run.ts';

/** A stack of a YAML program in a folder of its own, with a home and a state that nobody else uses. */
export class Stack {
  readonly folder: string;
  readonly home: string;
  private readonly program: string;
  private readonly options: RunOptions;
  /** Of Pulumi.yaml: all that is not the program. */
  private readonly head: string;

  private constructor(tools: PulumiTools, root: string, plugins: Readonly<Record<string, string>>) {
    const entries = Object.entries(plugins).map(
      ([name, path]) => `    - name: ${name}\n      path: ${path}\n`,
    );
    this.head = `name: bench\nruntime: yaml\nplugins:\n  providers:\n${entries.join('')}`;
    this.folder = join(root, 'project');
    this.home = join(root, 'home');
    this.program = tools.program;
    const place = { home: this.home, state: join(root, 'state'), passphrase: 'of the bench' };
    const env = { ...pulumiEnvironment(tools, place), HOME: this.home, XDG_CACHE_HOME: join(root, 'cache') };
    // The plugin's launcher and the peer's keep compiled code in the same way.
    this.options = {
      cwd: this.folder,
      env: { ...env, NODE_COMPILE_CACHE: join(root, 'compiled'), TMPDIR: process.env.TMPDIR },
    };
  }

  /** @param plugins the folder of the plugin, by the package's name */
  static async create(
    tools: PulumiTools,
    root: string,
    program: string,
    plugins: Readonly<Record<string, string>>,
  ): Promise<Stack> {
    const stack = new Stack(tools, root, plugins);
    for (const name of ['project', 'home', 'state']) await mkdir(join(root, name), { recursive: true });
    await stack.write(program);
    return stack;
  }

  write(program: string): Promise<void> {
    return writeFile(join(this.folder, 'Pulumi.yaml'), this.head + program);
  }

  /** @returns milliseconds */
  run(...args: readonly string[]): Promise<number> {
    return timedRun([this.program, ...args, '--non-interactive', '--color=never'], this.options);
  }
}
