import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installPlugin } from '../../../../provider/engines/pulumi/install.ts';
import { tokenOf } from '../../../../provider/engines/pulumi/naming.ts';
import {
  findPulumi,
  type PulumiLanguage,
  type PulumiTools,
  pulumiEnvironment,
} from '../../../../scripts/engines/pulumi.ts';
import type { Program, ResourceModel } from '../program.ts';
import type { WayName } from '../table.ts';
import type { Outcome, Prepared, Project, Run, Secrets, Verb, Way } from '../way.ts';
import { startGroup, well } from './group.ts';
import { outcomeOf } from './pulumi-events.ts';

const ROOT = join(import.meta.dirname, '../../../..');
const NODE_FOLDER = join(ROOT, 'node_modules/node/bin');
const STACK = 'dev';
const PROJECT = 'app';

/** How programs are written in a language. */
export interface Language {
  readonly host: PulumiLanguage;
  /** What it needs beside its host, where it is not here. */
  missing(): Promise<string | undefined>;
  /** Builds what is the same for all projects, with this environment. */
  prepare(environment: Readonly<Record<string, string>>): Promise<Author>;
}

export interface Author extends AsyncDisposable {
  /** Puts what does not depend on the program into a project's folder. */
  settle(folder: string): Promise<void>;
  /** Writes the program, or what the program reads when it runs. */
  write(program: Program, folder: string): Promise<void>;
}

/** The beginning of every Pulumi.yaml: the stand-in of a cloud is beside us, and ours is installed. */
export function projectFile(runtime: string): string {
  const path = join(import.meta.dirname, 'stand-in');
  return `name: ${PROJECT}\nruntime: ${runtime}\nplugins:\n  providers:\n    - name: standin\n      path: ${path}\n`;
}

/** The type that the engine knows a resource by. */
export function typeOf(kind: ResourceModel['kind']): string {
  return kind === 'Database' ? 'standin:index:Database' : tokenOf(kind);
}

export function pulumiWay(name: WayName, language: Language): Way {
  return {
    name,
    async missing() {
      const tools = await findPulumi(language.host);
      return 'reason' in tools ? tools.reason : language.missing();
    },
    async prepare() {
      const tools = await findPulumi(language.host);
      if ('reason' in tools) throw new Error(tools.reason);
      const home = await mkdtemp(join(tmpdir(), 'stasis-home-'));
      await installPlugin({ root: ROOT, home });
      const withNode = { ...tools, folders: [NODE_FOLDER, ...tools.folders] };
      const environment = {
        HOME: home,
        ...pulumiEnvironment(withNode, { home, state: home, passphrase: 'x' }),
      };
      return new PreparedPulumi(withNode, home, await language.prepare(environment));
    },
  };
}

class PreparedPulumi implements Prepared {
  readonly tools: PulumiTools;
  readonly home: string;
  readonly author: Author;

  constructor(tools: PulumiTools, home: string, author: Author) {
    this.tools = tools;
    this.home = home;
    this.author = author;
  }

  async open(folder: string, secrets: Secrets): Promise<Project> {
    for (const name of ['program', 'state']) await mkdir(join(folder, name));
    const project = new PulumiProject(this, folder);
    await this.author.settle(join(folder, 'program'));
    await project.write({ resources: [] });
    await project.well('stack', 'init', STACK);
    // On the command line, as nobody watches yet, and these passwords are thrown away with their servers.
    const given = Object.entries(secrets).flatMap(([name, value]) => ['--secret', `${name}=${value}`]);
    await project.well('config', 'set-all', ...given);
    return project;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.author[Symbol.asyncDispose]();
    await rm(this.home, { recursive: true, force: true });
  }
}

const ARGUMENTS: Readonly<Record<Verb, readonly string[]>> = {
  plan: ['preview'],
  apply: ['up', '--yes', '--skip-preview'],
  refresh: ['refresh', '--yes', '--skip-preview'],
  destroy: ['destroy', '--yes', '--skip-preview'],
};

const TRACED = ['--debug', '--diff'];
const LOGGED = ['-v=9', '--logflow', '--logtostderr'];

class PulumiProject implements Project {
  readonly memory = ['state'];
  private readonly by: PreparedPulumi;
  private readonly folder: string;
  private readonly environment: Readonly<Record<string, string>>;
  private program: Program = { resources: [] };

  constructor(by: PreparedPulumi, folder: string) {
    this.by = by;
    this.folder = folder;
    const place = { home: by.home, state: join(folder, 'state'), passphrase: 'of the tests' };
    this.environment = {
      ...pulumiEnvironment(by.tools, place),
      HOME: by.home,
      // Shows --event-log, which otherwise is hidden.
      PULUMI_DEBUG_COMMANDS: 'true',
    };
  }

  private get cwd(): string {
    return join(this.folder, 'program');
  }

  private argv(args: readonly string[]): readonly string[] {
    return [this.by.tools.program, ...args, '--non-interactive', '--color=never'];
  }

  async well(...args: readonly string[]): Promise<void> {
    await well(this.argv(args), this.cwd, this.environment);
  }

  async write(program: Program): Promise<void> {
    this.program = program;
    await this.by.author.write(program, this.cwd);
  }

  async start(verb: Verb, { traced = false, logged = false } = {}): Promise<Run> {
    const saved = traced && verb === 'plan' ? ['--save-plan', join(this.folder, 'plan.json')] : [];
    const more = [...saved, ...(traced ? TRACED : []), ...(logged ? LOGGED : [])];
    return this.told([...ARGUMENTS[verb], ...more]);
  }

  /** What it tells is written down by the engine as events. */
  private async told(args: readonly string[]): Promise<Run> {
    const log = join(this.folder, 'events.json');
    await rm(log, { force: true });
    const group = startGroup(this.argv([...args, '--event-log', log]), this.cwd, this.environment);
    const finished = group.ended.then(async (ended) =>
      outcomeOf(ended, await readFile(log, 'utf8').catch(() => '')),
    );
    return { ...group, finished };
  }

  async adopt(id: string, imported: string): Promise<Outcome> {
    const { kind } = this.program.resources.find((resource) => resource.id === id)!;
    const settled = ['--yes', '--skip-preview', '--protect=false', '--generate-code=false'];
    return (await this.told(['import', typeOf(kind), id, imported, ...settled])).finished;
  }

  async remembered(id: string): Promise<Readonly<Record<string, unknown>> | undefined> {
    const path = join(this.folder, `state/.pulumi/stacks/${PROJECT}/${STACK}.json`);
    const { checkpoint } = JSON.parse(await readFile(path, 'utf8')) as State;
    const found = checkpoint.latest?.resources?.find(({ urn }) => urn.endsWith(`::${id}`));
    return found && { ...found.outputs, id: found.id };
  }

  /** A lock that a killed engine leaves is there until somebody says that it is dead. */
  async unlock(): Promise<void> {
    const locks = await readdir(join(this.folder, 'state/.pulumi/locks'), { recursive: true }).catch(
      () => [],
    );
    if (locks.some((name) => name.endsWith('.json'))) await this.well('cancel', '--yes');
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

interface State {
  readonly checkpoint: {
    readonly latest?: {
      readonly resources?: readonly {
        readonly urn: string;
        readonly id?: string;
        readonly outputs?: Readonly<Record<string, unknown>>;
      }[];
    };
  };
}
