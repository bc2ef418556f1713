import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from '@jest/globals';
import { findPulumi, type PulumiTools, pulumiEnvironment } from '../../../scripts/engines/pulumi.ts';
import { buildTestPlugin } from '../../support/test-plugin.ts';
import type { Finished, Running } from '../terraform/workspace.ts';

const ROOT = join(import.meta.dirname, '../../..');
const _NODE = join(ROOT, 'node_modules/node/bin/node');
export const STACK = 'dev';
const FOUND = await findPulumi('yaml');

/** Tests with the real CLI. Where it cannot be had, one test is skipped, saying why. */
export function describePulumi(tests: (tools: PulumiTools) => void): void {
  if ('reason' in FOUND) test.skip(`with pulumi (${FOUND.reason})`, () => {});
  else describe('with pulumi', () => tests(FOUND));
}

/** A resource in the state, as `pulumi stack export` shows it. */
export interface StateResource {
  readonly urn: string;
  readonly type: string;
  readonly id?: string;
  readonly inputs?: Readonly<Record<string, unknown>>;
  readonly outputs?: Readonly<Record<string, unknown>>;
  readonly initErrors?: readonly string[];
}

/** What a preview would do with one resource. */
export interface Step {
  readonly op: string;
  readonly urn: string;
  readonly detailedDiff?: Readonly<Record<string, { readonly kind: string }>> | null;
}

/** A folder of one user of Pulumi: a home, a state, a project with one stack, and nothing of the machine's own. */
export class Workspace implements AsyncDisposable {
  readonly folder: string;
  readonly project: string;
  readonly home: string;
  readonly environment: Readonly<Record<string, string>>;
  private readonly program: string;
  private readonly children = new Set<ChildProcess>();
  private pluginFolder = join(ROOT, 'bin');

  private constructor(tools: PulumiTools, folder: string) {
    this.folder = folder;
    this.project = join(folder, 'project');
    this.home = join(folder, 'home');
    this.program = tools.program;
    const place = { home: this.home, state: join(folder, 'state'), passphrase: 'of the tests' };
    this.environment = {
      ...pulumiEnvironment(tools, place),
      HOME: this.home,
      TMPDIR: join(folder, 'tmp'),
      NODE_COMPILE_CACHE: join(folder, 'compiled'),
    };
  }

  static async create(tools: PulumiTools): Promise<Workspace> {
    const workspace = new Workspace(tools, await mkdtemp(join(tmpdir(), 'stasis-pulumi-')));
    for (const name of ['project', 'home', 'state', 'tmp']) await mkdir(join(workspace.folder, name));
    return workspace;
  }

  /** The plugin that is bundled from a test's own entry point, in place of the real one. */
  async usePlugin(entry: string): Promise<void> {
    this.pluginFolder = join(this.folder, 'plugin');
    const program = join(this.pluginFolder, 'pulumi-resource-stasis');
    await buildTestPlugin(entry, join(this.pluginFolder, 'plugin.mjs'), program);
  }

  /** Writes Pulumi.yaml; `{folder}` in the program is this workspace's folder. */
  async write(program: string, named = true): Promise<void> {
    const plugins = `plugins:\n  providers:\n    - name: stasis\n      path: ${this.pluginFolder}\n`;
    const text = `name: app\nruntime: yaml\n${named ? plugins : ''}${program}`;
    await writeFile(join(this.project, 'Pulumi.yaml'), text.replaceAll('{folder}', this.folder));
  }

  start(args: readonly string[], input?: string, more: Readonly<Record<string, string>> = {}): Running {
    const child = spawn(this.program, [...args, '--non-interactive', '--color=never'], {
      cwd: this.project,
      env: { ...this.environment, ...more },
      stdio: ['pipe', 'pipe', 'pipe'],
      // A process group of its own, as a shell gives it: Ctrl-C goes to the group.
      detached: true,
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    this.children.add(child);
    const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
    const finished = once(child, 'close').then(([status]): Finished => {
      this.children.delete(child);
      const [out, err] = [stdout(), stderr()];
      return { status: status ?? -1, stdout: out, stderr: err, all: out + err };
    });
    const signal = (name: NodeJS.Signals): void => {
      if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, name);
    };
    return { child, finished, printed: () => stdout() + stderr(), signal };
  }

  run(...args: readonly string[]): Promise<Finished> {
    return this.start(args).finished;
  }

  /** Runs what must succeed. @throws with all that was printed, otherwise. */
  async ok(args: readonly string[], input?: string): Promise<Finished> {
    const finished = await this.start(args, input).finished;
    if (finished.status !== 0)
      throw new Error(`${args.join(' ')} ended with ${finished.status}\n${finished.all}`);
    return finished;
  }

  /** Makes the stack, and sets its secrets by stdin. */
  async init(secrets: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.ok(['stack', 'init', STACK]);
    for (const [name, value] of Object.entries(secrets))
      await this.ok(['config', 'set', '--secret', name], value);
  }

  up(...args: readonly string[]): Promise<Finished> {
    return this.ok(['up', '--yes', '--skip-preview', ...args]);
  }

  /** What a preview would do with our resources; nothing for one that stays the same. */
  async preview(...args: readonly string[]): Promise<readonly Step[]> {
    const { stdout } = await this.ok(['preview', '--json', ...args]);
    const { steps } = JSON.parse(stdout) as { readonly steps: readonly Step[] };
    return steps.filter(({ urn }) => urn.includes('stasis:index:'));
  }

  /** Operations of a preview by the resources' names. */
  async planned(...args: readonly string[]): Promise<Readonly<Record<string, string>>> {
    return Object.fromEntries((await this.preview(...args)).map(({ urn, op }) => [nameOf(urn), op]));
  }

  /** All of our resources in the state, by name, with secrets in the clear. */
  async state(): Promise<Readonly<Record<string, StateResource>>> {
    const { stdout } = await this.ok(['stack', 'export', '--show-secrets']);
    const { deployment } = JSON.parse(stdout) as {
      readonly deployment: { readonly resources?: readonly StateResource[] };
    };
    const ours = (deployment.resources ?? []).filter(({ type }) => type.startsWith('stasis:index:'));
    return Object.fromEntries(ours.map((resource) => [nameOf(resource.urn), resource]));
  }

  stateText(): Promise<string> {
    return readFile(join(this.folder, `state/.pulumi/stacks/app/${STACK}.json`), 'utf8');
  }

  async outputs(): Promise<Readonly<Record<string, unknown>>> {
    return JSON.parse((await this.ok(['stack', 'output', '--json', '--show-secrets'])).stdout);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.children) {
      child.kill('SIGKILL');
      await once(child, 'close');
    }
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

/** A resource's name in the program; of a component's child, that of the child. */
export function nameOf(urn: string): string {
  return urn.split('::').at(-1) ?? urn;
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString('utf8');
}
