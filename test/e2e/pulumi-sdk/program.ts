import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { type Ran, run, runWell } from './run.ts';
import { type Pulumi, ROOT } from './tools.ts';

const EXAMPLES = join(ROOT, 'examples');

/** A Pulumi project of one user: its folder, a stack in a folder beside it, and nothing of the machine's own. */
export class Program implements AsyncDisposable {
  readonly pulumi: Pulumi;
  /** Of everything; the state is in it. */
  readonly root: string;
  /** Of the project. */
  readonly folder: string;

  private constructor(pulumi: Pulumi, root: string) {
    this.pulumi = pulumi;
    this.root = root;
    this.folder = join(root, 'project');
  }

  /** A copy of an example, which finds our plugin by its Pulumi.yaml; `plugins` are further ones, name to folder. */
  static async ofExample(
    pulumi: Pulumi,
    example: string,
    plugins: Readonly<Record<string, string>> = {},
  ): Promise<Program> {
    const program = await Program.empty(pulumi);
    await cp(join(EXAMPLES, example), program.folder, { recursive: true });
    const file = join(program.folder, 'Pulumi.yaml');
    const project = parse(await readFile(file, 'utf8'));
    const providers = Object.entries({ stasis: join(ROOT, 'bin'), ...plugins });
    await writeFile(
      file,
      stringify({ ...project, plugins: { providers: providers.map(([name, path]) => ({ name, path })) } }),
    );
    return program;
  }

  static async empty(pulumi: Pulumi): Promise<Program> {
    const root = await mkdtemp(join(tmpdir(), 'stasis-pulumi-'));
    for (const folder of ['home', 'state', 'project']) await mkdir(join(root, folder));
    return new Program(pulumi, root);
  }

  /** Our plugin's executable. */
  get plugin(): string {
    return join(ROOT, 'bin/pulumi-resource-stasis');
  }

  get environment(): Readonly<Record<string, string>> {
    return {
      PATH: this.pulumi.path,
      PULUMI_HOME: join(this.root, 'home'),
      PULUMI_BACKEND_URL: `file://${join(this.root, 'state')}`,
      PULUMI_CONFIG_PASSPHRASE: 'of a test',
      PULUMI_SKIP_UPDATE_CHECK: 'true',
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: 'true',
      PULUMI_DISABLE_REGISTRY_RESOLVE: 'true',
    };
  }

  run(...args: readonly string[]): Promise<Ran> {
    return run([this.pulumi.program, ...args, '--non-interactive'], {
      cwd: this.folder,
      env: this.environment,
    });
  }

  /** The same; anything but success is an error with what was printed. */
  ok(...args: readonly string[]): Promise<Ran> {
    return runWell([this.pulumi.program, ...args, '--non-interactive'], {
      cwd: this.folder,
      env: this.environment,
    });
  }

  /** Makes the stack `test` with these values; what has a URL in it is a secret. */
  async configure(values: Readonly<Record<string, string>>): Promise<void> {
    await this.ok('stack', 'init', 'test');
    const each = Object.entries(values).flatMap(([key, value]) => [
      value.includes('://') ? '--secret' : '--plaintext',
      `${key}=${value}`,
    ]);
    await this.ok('config', 'set-all', ...each);
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
