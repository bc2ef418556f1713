import { appendFile, cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installPlugin } from '../../../provider/engines/pulumi/install.ts';
import { type PulumiTools, pulumiEnvironment } from '../../../scripts/engines/pulumi.ts';
import { type Ran, run, runWell } from './run.ts';
import { ROOT } from './tools.ts';

const EXAMPLES = join(ROOT, 'examples');

/** A Pulumi project of one user: its folder, a stack in a folder beside it, and nothing of the machine's own. */
export class Program implements AsyncDisposable {
  readonly tools: PulumiTools;
  /** Of everything; the state is in it. */
  readonly root: string;
  /** Of the project. */
  readonly folder: string;
  /** Of the environment, beside what every program gets. */
  private readonly more: Readonly<Record<string, string>>;

  private constructor(tools: PulumiTools, root: string, more: Readonly<Record<string, string>>) {
    this.more = more;
    this.tools = tools;
    this.root = root;
    this.folder = join(root, 'project');
  }

  /** A copy of an example. */
  static async ofExample(
    tools: PulumiTools,
    example: string,
    more: Readonly<Record<string, string>> = {},
  ): Promise<Program> {
    const program = await Program.empty(tools, more);
    await cp(join(EXAMPLES, example), program.folder, { recursive: true });
    return program;
  }

  /** With our plugin installed. */
  static async empty(tools: PulumiTools, more: Readonly<Record<string, string>> = {}): Promise<Program> {
    const root = await mkdtemp(join(tmpdir(), 'stasis-pulumi-'));
    for (const folder of ['home', 'state', 'project']) await mkdir(join(root, folder));
    await installPlugin({ root: ROOT, home: join(root, 'home') });
    return new Program(tools, root, more);
  }

  get environment(): Readonly<Record<string, string>> {
    const place = { home: join(this.root, 'home'), state: join(this.root, 'state') };
    return { ...pulumiEnvironment(this.tools, { ...place, passphrase: 'of a test' }), ...this.more };
  }

  /** Names the folder of another provider's plugin in Pulumi.yaml. */
  async usePlugin(name: string, folder: string): Promise<void> {
    const entry = `plugins:\n  providers:\n    - name: ${name}\n      path: ${folder}\n`;
    await appendFile(join(this.folder, 'Pulumi.yaml'), entry);
  }

  run(...args: readonly string[]): Promise<Ran> {
    return run([this.tools.program, ...args, '--non-interactive'], {
      cwd: this.folder,
      env: this.environment,
    });
  }

  /** The same; anything but success is an error with what was printed. */
  ok(...args: readonly string[]): Promise<Ran> {
    return runWell([this.tools.program, ...args, '--non-interactive'], {
      cwd: this.folder,
      env: this.environment,
    });
  }

  /** Makes the stack `test` with these values; URLs and passwords are secrets; all go by stdin. */
  async configure(values: Readonly<Record<string, string>>): Promise<void> {
    await this.ok('stack', 'init', 'test');
    for (const [key, input] of Object.entries(values))
      await runWell(
        [
          ...[this.tools.program, 'config', 'set', '--non-interactive'],
          ...[/(Url|Password)$/.test(key) ? '--secret' : '--plaintext', key],
        ],
        { cwd: this.folder, env: this.environment, input },
      );
  }

  async outputs<T>(): Promise<T> {
    const { stdout } = await this.ok('stack', 'output', '--json', '--show-secrets');
    return JSON.parse(stdout);
  }

  /** The state as it lies on disk. */
  async state(): Promise<string> {
    return (await this.ok('stack', 'export')).stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }
}
