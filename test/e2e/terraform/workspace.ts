import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildTestPlugin } from '../../support/test-plugin.ts';
import type { Engine } from './engines.ts';

const ROOT = join(import.meta.dirname, '../../..');
const _NODE = join(ROOT, 'node_modules/node/bin/node');

export interface Finished {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Both, for looking something up. */
  readonly all: string;
}

export interface Running {
  readonly child: ChildProcess;
  /** What it has printed so far. */
  printed(): string;
  /** Sends a signal to its process group, as a terminal does; nothing if it has ended. */
  signal(signal: NodeJS.Signals): void;
  readonly finished: Promise<Finished>;
}

/**
 * A folder of one user of an engine: a home with the plugin installed, a root module, a temporary folder, nothing of
 * the machine's own configuration.
 */
export class Workspace implements AsyncDisposable {
  readonly engine: Engine;
  readonly folder: string;
  readonly home: string;
  readonly module: string;
  readonly temporary: string;
  private readonly children = new Set<ChildProcess>();

  private constructor(engine: Engine, folder: string) {
    this.engine = engine;
    this.folder = folder;
    this.home = join(folder, 'home');
    this.module = join(folder, 'module');
    this.temporary = join(folder, 'tmp');
  }

  static async create(engine: Engine): Promise<Workspace> {
    const workspace = new Workspace(engine, await mkdtemp(join(tmpdir(), 'stasis-tf-')));
    for (const folder of [workspace.home, workspace.module, workspace.temporary]) await mkdir(folder);
    return workspace;
  }

  /** Writes main.tf, with the provider required. `{folder}` in it is this workspace's folder. */
  async write(hcl: string): Promise<void> {
    const required =
      'terraform {\n  required_providers {\n    stasis = { source = "stasis-iac/stasis" }\n  }\n}\n';
    await writeFile(join(this.module, 'main.tf'), required + hcl.replaceAll('{folder}', this.folder));
  }

  start(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Running {
    const child = spawn(this.engine.path, args, {
      cwd: this.module,
      env: {
        PATH: process.env.PATH ?? '',
        HOME: this.home,
        TMPDIR: this.temporary,
        CHECKPOINT_DISABLE: '1',
        TF_IN_AUTOMATION: '1',
        ...environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A process group of its own, as a shell gives it: Ctrl-C goes to the group.
      detached: true,
    });
    this.children.add(child);
    const stdout = collect(child.stdout!);
    const stderr = collect(child.stderr!);
    const finished = once(child, 'close').then(([status]) => {
      this.children.delete(child);
      const [out, err] = [stdout(), stderr()];
      return { status: status ?? -1, stdout: out, stderr: err, all: out + err };
    });
    const signal = (name: NodeJS.Signals): void => {
      if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, name);
    };
    return { child, finished, printed: () => stdout() + stderr(), signal };
  }

  run(args: readonly string[], environment?: Readonly<Record<string, string>>): Promise<Finished> {
    return this.start([...args, '-no-color'], environment).finished;
  }

  /** Runs what must succeed. @throws with all that was printed, otherwise. */
  async ok(...args: readonly string[]): Promise<Finished> {
    const finished = await this.run(args);
    if (finished.status !== 0)
      throw new Error(`${args.join(' ')} ended with ${finished.status}\n${finished.all}`);
    return finished;
  }

  apply(...args: readonly string[]): Promise<Finished> {
    return this.ok('apply', '-auto-approve', '-input=false', ...args);
  }

  /** Whether a plan would change something. */
  async planned(...args: readonly string[]): Promise<{ readonly changes: boolean; readonly text: string }> {
    const { status, all } = await this.run(['plan', '-input=false', '-detailed-exitcode', ...args]);
    if (status !== 0 && status !== 2) throw new Error(`plan ended with ${status}\n${all}`);
    return { changes: status === 2, text: all };
  }

  /** Attributes of a resource in the state; undefined when it is not there. */
  async state(address: string): Promise<Record<string, unknown> | undefined> {
    const { stdout } = await this.ok('show', '-json');
    const shown: Shown = JSON.parse(stdout);
    return shown.values?.root_module?.resources?.find((resource) => resource.address === address)?.values;
  }

  async output(name: string): Promise<unknown> {
    return JSON.parse((await this.ok('output', '-json', name)).stdout);
  }

  stateText(): Promise<string> {
    return readFile(join(this.module, 'terraform.tfstate'), 'utf8');
  }

  /** What plugins left in the temporary folder. */
  leftovers(): Promise<string[]> {
    return readdir(this.temporary);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.children) {
      child.kill('SIGKILL');
      await once(child, 'close');
    }
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

interface Shown {
  readonly values?: {
    readonly root_module?: {
      readonly resources?: readonly { readonly address: string; readonly values: Record<string, unknown> }[];
    };
  };
}

/**
 * A folder like an installed package whose plugin is a test's own, bundled as the real one is: `installPlugin` takes
 * it for the real one.
 */
export async function packageOf(folder: string, entry: string): Promise<string> {
  const root = join(folder, 'package');
  await mkdir(root, { recursive: true });
  await writeFile(join(root, 'package.json'), JSON.stringify({ name: 'stasis', version: '0.1.0' }));
  const program = join(root, 'bin/terraform-provider-stasis');
  await buildTestPlugin(entry, join(root, 'dist/plugin.mjs'), program);
  return root;
}

/** Polls until `found` gives something. @throws after `withinMs`. */
export async function eventually<T>(
  what: string,
  found: () => Promise<T | undefined> | T | undefined,
  withinMs = 30_000,
): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    const value = await found();
    if (value !== undefined) return value;
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Whether a process runs: not gone, and no zombie. */
export async function isAlive(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return status !== '' && !/^\d+ \(.*\) Z/.test(status);
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString('utf8');
}
