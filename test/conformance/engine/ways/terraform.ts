import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installPlugin } from '../../../../provider/engines/terraform/install.ts';
import type { EngineName } from '../../../../provider/engines/terraform/naming.ts';
import { findTool } from '../../../../scripts/setup/tools.ts';
import type { Program, ResourceModel } from '../program.ts';
import type { WayName } from '../table.ts';
import type { Outcome, Prepared, Project, Run, Secrets, Verb, Way } from '../way.ts';
import { type Ended, startGroup, well } from './group.ts';
import { camelCase, outcomeOf } from './terraform-messages.ts';

const ROOT = join(import.meta.dirname, '../../../..');

/** How programs are written that Terraform or OpenTofu applies. */
export interface Writer extends AsyncDisposable {
  /** Writes what the engine reads into this folder; what the user is told where that is refused already. */
  write(program: Program, folder: string): Promise<Outcome | undefined>;
  /** Below the project's folder: where the engine runs, and its state. */
  readonly module: string;
  readonly state: string;
}

/** The type of a resource that the engine knows it by. */
export const TYPES: Readonly<Record<ResourceModel['kind'], string>> = {
  Snapshot: 'stasis_snapshot',
  Restore: 'stasis_restore',
  Drill: 'stasis_drill',
  Comparison: 'stasis_comparison',
  Database: 'terraform_data',
};

export function terraformWay(name: WayName, engine: EngineName, openWriter: () => Promise<Writer>): Way {
  const find = () => findTool(engine === 'opentofu' ? 'tofu' : engine);
  return {
    name,
    async missing() {
      const found = await find();
      return typeof found === 'string' ? undefined : found.reason;
    },
    async prepare() {
      const path = await find();
      if (typeof path !== 'string') throw new Error(path.reason);
      const home = await mkdtemp(join(tmpdir(), 'stasis-home-'));
      await installPlugin({ engine, root: ROOT, home });
      return new PreparedTerraform(path, home, await openWriter());
    },
  };
}

class PreparedTerraform implements Prepared {
  readonly path: string;
  readonly home: string;
  readonly writer: Writer;

  constructor(path: string, home: string, writer: Writer) {
    this.path = path;
    this.home = home;
    this.writer = writer;
  }

  async open(folder: string, secrets: Secrets): Promise<Project> {
    return new TerraformProject(this, folder, secrets);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.writer[Symbol.asyncDispose]();
    await rm(this.home, { recursive: true, force: true });
  }
}

/** What a plan that is traced is kept in. */
export const SAVED_PLAN = 'saved.plan';

const ARGUMENTS: Readonly<Record<Verb, readonly string[]>> = {
  plan: ['plan'],
  apply: ['apply', '-auto-approve'],
  refresh: ['apply', '-auto-approve', '-refresh-only'],
  destroy: ['destroy', '-auto-approve'],
};

class TerraformProject implements Project {
  readonly memory: readonly string[];
  private readonly by: PreparedTerraform;
  private readonly folder: string;
  private readonly environment: Readonly<Record<string, string>>;
  private program: Program = { resources: [] };
  private refused: Outcome | undefined;
  private initialised = false;

  constructor(by: PreparedTerraform, folder: string, secrets: Secrets) {
    this.by = by;
    this.folder = folder;
    const { state } = by.writer;
    this.memory = [state, `${state}.backup`];
    const variables = Object.entries(secrets).map(([name, value]) => [`TF_VAR_${name}`, value]);
    this.environment = {
      PATH: process.env.PATH ?? '',
      HOME: by.home,
      CHECKPOINT_DISABLE: '1',
      TF_IN_AUTOMATION: '1',
      ...Object.fromEntries(variables),
    };
  }

  private get module(): string {
    return join(this.folder, this.by.writer.module);
  }

  async write(program: Program): Promise<void> {
    this.program = program;
    this.refused = await this.by.writer.write(program, this.folder);
  }

  async start(verb: Verb, { traced = false } = {}): Promise<Run> {
    if (this.refused !== undefined) return neverBegun(this.refused);
    await this.initialise();
    const saved = traced && verb === 'plan' ? [`-out=${join(this.folder, SAVED_PLAN)}`] : [];
    const group = startGroup(
      [this.by.path, ...ARGUMENTS[verb], ...saved, '-json', '-input=false'],
      this.module,
      traced
        ? { ...this.environment, TF_LOG: 'TRACE', TF_LOG_PATH: join(this.folder, 'trace.log') }
        : this.environment,
    );
    return { ...group, finished: group.ended.then(outcomeOf) };
  }

  private async initialise(): Promise<void> {
    if (this.initialised) return;
    await well([this.by.path, 'init', '-input=false', '-no-color'], this.module, this.environment);
    this.initialised = true;
  }

  async adopt(id: string, imported: string): Promise<Outcome> {
    await this.initialise();
    const { kind } = this.program.resources.find((resource) => resource.id === id)!;
    const argv = [this.by.path, 'import', '-input=false', '-no-color', `${TYPES[kind]}.${id}`, imported];
    return plainOutcome(await startGroup(argv, this.module, this.environment).ended);
  }

  async remembered(id: string): Promise<Readonly<Record<string, unknown>> | undefined> {
    const text = await readFile(join(this.folder, this.by.writer.state), 'utf8').catch(() => undefined);
    // An engine that was killed may have made the file, and not written it.
    if (text === undefined || text === '') return undefined;
    const { resources } = JSON.parse(text) as State;
    const attributes = resources.find(({ name }) => name === id)?.instances[0]?.attributes;
    return (
      attributes &&
      Object.fromEntries(Object.entries(attributes).map(([key, value]) => [camelCase(key), value]))
    );
  }

  /** The lock of a file is the kernel's, and ends with the process. */
  async unlock(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}

interface State {
  readonly resources: readonly {
    readonly name: string;
    readonly instances: readonly { readonly attributes: Readonly<Record<string, unknown>> }[];
  }[];
}

/** A program that is not written cannot be planned: what was told then is all. */
function neverBegun(refused: Outcome): Run {
  return {
    pid: 0,
    printed: () => refused.text,
    interrupt: () => {},
    finished: Promise.resolve(refused),
  };
}

function plainOutcome({ status, all }: Ended): Outcome {
  return { succeeded: status === 0, text: all, actions: {}, problems: [] };
}
