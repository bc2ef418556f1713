import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Program, ResourceModel, Text } from '../program.ts';
import type { Action, Outcome, Prepared, Problem, Project, Run, Secrets, Verb, Way } from '../way.ts';
import { type Ended, startGroup } from './group.ts';

const STASIS = join(import.meta.dirname, '../../../../bin/stasis');

/** The command line: one command a resource, and no state but what its user remembers of what was printed. */
export const COMMAND_LINE: Way = {
  name: 'command line',
  missing: async () => undefined,
  async prepare() {
    const home = await mkdtemp(join(tmpdir(), 'stasis-home-'));
    return {
      open: async (folder, secrets) => new CommandLineProject(home, folder, secrets),
      [Symbol.asyncDispose]: () => rm(home, { recursive: true, force: true }),
    } satisfies Prepared;
  },
};

const COMMANDS = {
  ...{ Snapshot: 'capture', Restore: 'restore', Drill: 'drill', Comparison: 'compare' },
  Database: 'none',
} as const;

/** What a user notes of what was printed, by the resources' names. */
type Noted = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

class CommandLineProject implements Project {
  readonly memory = ['noted.json'];
  private readonly folder: string;
  private readonly environment: Readonly<Record<string, string>>;
  private program: Program = { resources: [] };

  constructor(home: string, folder: string, secrets: Secrets) {
    this.folder = folder;
    this.environment = { PATH: process.env.PATH ?? '', HOME: home, LANG: 'C.UTF-8', ...secrets };
  }

  async write(program: Program): Promise<void> {
    this.program = program;
  }

  /** What depends on nothing at once, then the rest, one after the other. */
  async start(verb: Verb, { traced = false } = {}): Promise<Run> {
    if (verb !== 'plan' && verb !== 'apply') throw new Error(`the command line has no ${verb}`);
    const begin = (resource: ResourceModel) => this.begin(verb, resource, traced);
    const [first, later] = inOrder(this.program);
    const begun = await Promise.all(first.map(begin));
    let current = begun[0]!;
    const finished = (async () => {
      const outcomes = await Promise.all(begun.map((run) => run.finished));
      for (const resource of later) {
        // A plan of what is not there yet has nothing to look at.
        if (verb === 'plan' && (await this.isWaiting(resource))) continue;
        if (!outcomes.every(({ succeeded }) => succeeded)) break;
        current = await begin(resource);
        outcomes.push(await current.finished);
      }
      return together(outcomes);
    })();
    return {
      get pid() {
        return current.pid;
      },
      printed: () => current.printed(),
      interrupt: () => current.interrupt(),
      finished,
    };
  }

  private async isWaiting(resource: ResourceModel): Promise<boolean> {
    const needs = dependencyOf(resource);
    return needs !== undefined && (await this.remembered(needs)) === undefined;
  }

  private async begin(verb: 'plan' | 'apply', resource: ResourceModel, traced: boolean): Promise<Run> {
    const { kind, id, ...inputs } = resource;
    const { snapshot, ...others } = written(inputs, await this.noted()) as Readonly<Record<string, unknown>>;
    const file = join(this.folder, `${id}.yaml`);
    await writeFile(file, JSON.stringify(others, undefined, 2));
    const command = verb === 'plan' ? 'plan' : COMMANDS[kind];
    const reference = snapshot === undefined ? [] : [String(snapshot)];
    const settings = ['-f', file, '--json', ...(traced ? ['--log-level', 'trace'] : [])];
    const group = startGroup([STASIS, command, ...reference, ...settings], this.folder, this.environment);
    const finished = group.ended.then(async (ended) => {
      const outcome = outcomeOf(id, ended);
      if (verb === 'apply' && outcome.succeeded) await this.note(id, JSON.parse(ended.stdout));
      return outcome;
    });
    return { ...group, finished };
  }

  private notes = Promise.resolve();

  /** One after the other: two commands may end at once. */
  private note(id: string, outputs: Readonly<Record<string, unknown>>): Promise<void> {
    this.notes = this.notes.then(async () => {
      const all = { ...(await this.noted()), [id]: outputs };
      await writeFile(join(this.folder, 'noted.json'), JSON.stringify(all));
    });
    return this.notes;
  }

  private async noted(): Promise<Noted> {
    const text = await readFile(join(this.folder, 'noted.json'), 'utf8').catch(() => '{}');
    return JSON.parse(text) as Noted;
  }

  async adopt(): Promise<Outcome> {
    throw new Error('the command line has nothing to import into');
  }

  async remembered(id: string): Promise<Readonly<Record<string, unknown>> | undefined> {
    return (await this.noted())[id];
  }

  async unlock(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** The resource whose output this one needs. */
function dependencyOf(resource: ResourceModel): string | undefined {
  if (resource.kind === 'Snapshot' || resource.kind === 'Database') return undefined;
  if (typeof resource.snapshot === 'string') return undefined;
  return 'from' in resource.snapshot ? resource.snapshot.from[0] : undefined;
}

/** What may begin at once, and what comes after it. A restore comes after all captures, as a user would type them. */
function inOrder({ resources }: Program): readonly [readonly ResourceModel[], readonly ResourceModel[]] {
  const captures = resources.filter(({ kind }) => kind === 'Snapshot');
  const others = resources.filter(({ kind }) => kind !== 'Snapshot');
  return captures.length === 0 ? [others.slice(0, 1), others.slice(1)] : [captures, others];
}

/** Passwords come from the environment, and what another command has printed is typed. */
function written(value: unknown, noted: Noted): unknown {
  if (Array.isArray(value)) return value.map((one) => written(one, noted));
  if (typeof value !== 'object' || value === null) return value;
  const text = value as Exclude<Text, string>;
  if ('secret' in text) return `\${${text.secret}}`;
  if ('from' in text) return noted[text.from[0]]?.[text.from[1]];
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, written(field, noted)]));
}

interface Told {
  readonly code: string;
  readonly at: readonly string[];
  readonly severity?: 'error' | 'warning';
}

interface Printed {
  readonly error?: Told;
  readonly more?: readonly Told[];
  readonly problems?: readonly Told[];
}

function outcomeOf(resource: string, { status, stdout, all }: Ended): Outcome {
  const { error, more = [], problems = [] } = (stdout === '' ? {} : JSON.parse(stdout)) as Printed;
  const told = [...(error === undefined ? [] : [error]), ...more, ...problems];
  const create: Readonly<Record<string, Action>> = { [resource]: 'create' };
  return {
    succeeded: status === 0,
    text: all,
    actions: status === 0 ? create : {},
    problems: told.map(
      ({ severity = 'error', code, at }): Problem => ({ severity, resource, code, at: at.join('.') }),
    ),
  };
}

function together(outcomes: readonly Outcome[]): Outcome {
  return {
    succeeded: outcomes.every(({ succeeded }) => succeeded),
    text: outcomes.map(({ text }) => text).join(''),
    actions: Object.assign({}, ...outcomes.map(({ actions }) => actions)),
    problems: outcomes.flatMap(({ problems }) => problems),
  };
}
