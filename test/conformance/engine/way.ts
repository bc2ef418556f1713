import type { Program } from './program.ts';
import type { WayName } from './table.ts';

/** One way of driving us. It is prepared once a test file, and then opened for one user after another. */
export interface Way {
  readonly name: WayName;
  /** Why this machine cannot have it: a tool that is not here. */
  missing(): Promise<string | undefined>;
  /** Gets what takes long and is the same for all projects. */
  prepare(): Promise<Prepared>;
}

export interface Prepared extends AsyncDisposable {
  /** A user's project in this folder, which is empty and stays the caller's. */
  open(folder: string, secrets: Secrets): Promise<Project>;
}

/** By name: what a program refers to as `{ secret: name }`. */
export type Secrets = Readonly<Record<string, string>>;

/** What can be done with a program. `apply` and the others look at nothing but the program that was written last. */
export type Verb = 'plan' | 'apply' | 'refresh' | 'destroy';

export interface Project extends AsyncDisposable {
  /** Files and folders of this project, below its folder, in which the engine remembers what it has done. */
  readonly memory: readonly string[];
  write(program: Program): Promise<void>;
  /**
   * Begins, in a process group of its own. `traced` makes it say all that it can; `logged` adds the engine's own log
   * where that is another thing.
   */
  start(verb: Verb, options?: { readonly traced?: boolean; readonly logged?: boolean }): Promise<Run>;
  /** Takes over by command what is there under this id, as the resource of that name in the program. */
  adopt(id: string, imported: string): Promise<Outcome>;
  /** What it remembers of a resource: our outputs under their own names, `id` among them. */
  remembered(id: string): Promise<Readonly<Record<string, unknown>> | undefined>;
  /** After an engine that was killed: whatever a user has to do so that the next run may begin. */
  unlock(): Promise<void>;
}

export interface Run {
  /** The engine's process. */
  readonly pid: number;
  /** What it has printed so far. */
  printed(): string;
  /** To the whole group, as a terminal sends Ctrl-C. */
  interrupt(): void;
  readonly finished: Promise<Outcome>;
}

export interface Outcome {
  readonly succeeded: boolean;
  /** All that was printed, and logged beside. */
  readonly text: string;
  /** What a plan is going to do and an apply did, by the resources' names; a resource that stays as it is has none. */
  readonly actions: Readonly<Record<string, Action>>;
  readonly problems: readonly Problem[];
}

export type Action = 'create' | 'update' | 'replace' | 'delete';

/** An error or a warning of ours, as the user sees it. */
export interface Problem {
  readonly severity: 'error' | 'warning';
  /** The resource's name in the program, where the engine tells it. */
  readonly resource: string | undefined;
  /** The attribute, in our own names: `members.orders.postgres.url`; empty where none is told. */
  readonly at: string;
  readonly code: string;
}
