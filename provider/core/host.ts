/**
 * The machine on which a member lives and its driver's commands run. Commands are argv lists, never a shell
 * string. A password reaches a child by `env`, never by argv. All times are bounded: where nothing answers, what was
 * called ends in an error `host.*`.
 */
export interface Host {
  /** `local`, or the name that the user gave it, or its address; for messages. */
  readonly name: string;
  /** Equal exactly for the same machine, however it is logged in to. Absent for the machine that we are on ourselves. */
  readonly place?: string;
  /**
   * Runs to the end and collects the output.
   * @throws StasisError `host.cannot-start`, `host.timeout`, `host.output-too-long`, `host.connection-lost`; and where
   * the host cannot be logged in to: `host.unreachable`, `host.login-refused`, `host.key-unknown`, `host.key-mismatch`
   */
  run(argv: readonly string[], options: RunOptions): Promise<RunResult>;
  /** Starts a command whose streams the caller consumes, with back-pressure. */
  spawn(argv: readonly string[], options: SpawnOptions): Promise<Spawned>;
  /** The absolute path of a program, or undefined. Extra folders are searched first, in order. */
  which(program: string, folders?: readonly string[]): Promise<string | undefined>;
  /** A file's bytes. @throws StasisError `host.cannot-read` */
  read(path: string, options: FileOptions): AsyncIterable<Uint8Array>;
  /**
   * Writes a file as a whole: until all of it is there, the path shows what it showed before.
   * @throws StasisError `host.cannot-write`; what the content threw is thrown as it is
   */
  write(path: string, content: AsyncIterable<Uint8Array>, options: WriteOptions): Promise<void>;
  /** A new folder, readable by us alone. Disposal removes it with all that is in it. */
  temporaryFolder(options: TemporaryFolderOptions): Promise<TemporaryFolder>;
  /**
   * Starts a watchdog on the host, outside of this process and of the connection to it, and returns once it has
   * answered. It runs `rescue` when `ttlMs` have passed since then or since the last renewal, and at once when this
   * process ends, however it ends. `rescue` runs as whoever we are on the host, without input, with the environment of
   * commands, again and again until it ends with status 0 (for at most a minute).
   */
  lease(rescue: readonly string[], ttlMs: number, options: FileOptions): Promise<Lease>;
  /**
   * How this process connects to a server that the host reaches under this name and port (or under the path of a Unix
   * socket, then without a port). It stays for as long as the host does. Absent on the machine that we are on
   * ourselves: there is nothing in between.
   */
  readonly reach?: Reach;
}

export type Reach = (address: string, port: number | undefined, options: FileOptions) => Promise<Reached>;

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
  /** SIGTERM, and SIGKILL where that does not end it within two seconds. */
  kill(): void;
}

export interface FileOptions {
  readonly signal: AbortSignal;
}

export interface WriteOptions extends FileOptions {
  /** Permission bits; 0o600 unless given. */
  readonly mode?: number;
}

export interface TemporaryFolderOptions extends FileOptions {
  /** In memory where the host has such a place that is ours to write to. Otherwise where temporary files go. */
  readonly memory?: boolean;
}

export interface TemporaryFolder extends AsyncDisposable {
  /** Absolute. */
  readonly path: string;
}

/** The path of a Unix socket of this machine: what is written to it arrives at the server, and back. */
export interface Reached {
  readonly path: string;
}

/** A watchdog that is armed. Disposal disarms it. */
export interface Lease extends AsyncDisposable {
  /** What it was when it was last heard of. */
  readonly state: LeaseState;
  /** Begins the time anew. @throws StasisError `host.lease-over` when it has fired, or is not to be heard */
  renew(): Promise<void>;
  /**
   * Ends it. Only `disarmed` says that the rescue has not run: after `fired` or `lost` whatever it was to protect
   * may have been let go at any time. Idempotent, bounded, never throws.
   */
  disarm(): Promise<Exclude<LeaseState, 'armed'>>;
  /**
   * Has the rescue run at once, for whoever cannot let go himself, and ends it: a watchdog that has fired waits for
   * its end as long as we live. Idempotent, bounded, never throws.
   */
  fire(): Promise<void>;
}

export type LeaseState = 'armed' | 'disarmed' | 'fired' | 'lost';
