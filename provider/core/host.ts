/**
 * The machine on which a member lives and its driver's commands run. Commands are argv lists, never a shell
 * string. A password reaches a child by `env`, never by argv.
 */
export interface Host {
  /** `local`, or the address; for messages. */
  readonly name: string;
  /** Runs to the end and collects the output. @throws StasisError `host.*` when it cannot start or times out. */
  run(argv: readonly string[], options: RunOptions): Promise<RunResult>;
  /** Starts a command whose streams the caller consumes, with back-pressure. */
  spawn(argv: readonly string[], options: SpawnOptions): Promise<Spawned>;
  /** The absolute path of a program, or undefined. Extra folders are searched first, in order. */
  which(program: string, folders?: readonly string[]): Promise<string | undefined>;
}

export interface SpawnOptions {
  readonly signal: AbortSignal;
  /** Added to a minimal environment (PATH, HOME, LANG=C.UTF-8, TMPDIR); nothing else is inherited. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Bytes for stdin; it is closed at once when absent. */
  readonly stdin?: AsyncIterable<Uint8Array>;
}

export interface RunOptions extends SpawnOptions {
  readonly timeoutMs: number;
}

export interface RunResult {
  /** Exit status; a death by signal is 128 + its number, as in a shell. */
  readonly status: number;
  readonly stdout: string;
  /** The last 64 KiB. */
  readonly stderr: string;
}

export interface Spawned {
  readonly stdout: AsyncIterable<Uint8Array>;
  /** Resolves when the command has ended and its streams are closed; stdout in the result is empty. */
  readonly ended: Promise<RunResult>;
  kill(): void;
}
