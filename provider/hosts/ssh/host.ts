import { join } from 'node:path';
import type { FileOptions, Host, Reached, Spawned, SpawnOptions } from '../../core/host.ts';
import { within } from '../../core/wait.ts';
import { runBy } from '../shared/collect.ts';
import { readFile, temporaryFolder, writeFile } from '../shared/files.ts';
import { takeLease } from '../shared/lease.ts';
import { Connection, OPEN_MS } from './connection.ts';
import { dropPrivateFolder, makePrivateFolder } from './private-folder.ts';
import { startSession } from './session.ts';
import { placeOf, type SshSpec } from './spec.ts';

/** What sshd allows on one connection is ten, unless it is told otherwise (MaxSessions); some are kept for ending. */
const SESSIONS_A_CONNECTION = 8;
const LOOK_MS = 20_000;

/** Where a program is: the folders first, in order, then PATH. What has a slash is a path. */
const WHICH = `program=$1
shift
case $program in
  /*) set -- ; folders= ;;
  */*) program=$PWD/$program; set -- ;;
esac
usable() { [ -x "$1" ] && [ ! -d "$1" ] && printf %s "$1"; }
case $program in /*) usable "$program"; exit ;; esac
for folder in "$@"; do usable "$folder/$program" && exit; done
IFS=:
for folder in $PATH; do [ -n "$folder" ] && usable "$folder/$program" && exit; done
exit 1`;

/** A host that is reached by SSH. Disposal ends its connections, and every command that still runs. */
export interface SshHost extends Host, AsyncDisposable {}

/**
 * A machine with sshd, reached by OpenSSH's own client. Nothing is done before the first command; then one login is
 * shared by all commands. What is lost is made anew for the next command. Nothing of it keeps this process alive.
 * @param name for messages
 */
export function sshHost(name: string, spec: SshSpec): SshHost {
  const logins = new Logins(name, spec);
  const spawn = async (argv: readonly string[], options: SpawnOptions): Promise<Spawned> => {
    const connection = await logins.take(options.signal);
    const give = (): void => {
      connection.sessions -= 1;
    };
    try {
      const spawned = startSession(name, connection, argv, options);
      void spawned.ended.then(give, give);
      return spawned;
    } catch (error) {
      give();
      throw error;
    }
  };
  const run: Host['run'] = (argv, options) => runBy(spawn, argv, options);
  const commands = { name, run, spawn };
  return {
    ...commands,
    place: placeOf(spec),
    async which(program, folders = []): Promise<string | undefined> {
      const signal = AbortSignal.timeout(LOOK_MS);
      const argv = ['sh', '-c', WHICH, 'which', program, ...folders.filter((folder) => folder !== '')];
      const found = await run(argv, { signal, timeoutMs: LOOK_MS });
      return found.status === 0 ? found.stdout : undefined;
    },
    read: (path, options) => readFile(commands, path, options),
    write: (path, content, options) => writeFile(commands, path, content, options),
    temporaryFolder: (options) => temporaryFolder(commands, options),
    lease: (rescue, ttlMs, options) => takeLease(commands, rescue, ttlMs, options),
    reach: (address, port, options) => logins.reach(address, port, options),
    [Symbol.asyncDispose]: () => logins.close(),
  };
}

/** One connection while it has room; another where many commands run at once. */
class Logins {
  private readonly name: string;
  private readonly spec: SshSpec;
  private folder: Promise<string> | undefined;
  private lastNumber = 0;
  private readonly all: Login[] = [];
  private readonly forwards = new Map<string, { readonly login: Connection; readonly path: string }>();

  constructor(name: string, spec: SshSpec) {
    this.name = name;
    this.spec = spec;
  }

  /** A connection on which one more session is counted. */
  async take(signal: AbortSignal): Promise<Connection> {
    for (;;) {
      const login = this.roomy();
      login.claimed += 1;
      try {
        const connection = await within(OPEN_MS, `logging in to ${this.name}`, signal, () => login.opened);
        if (connection.lost) continue;
        connection.sessions += 1;
        return connection;
      } finally {
        login.claimed -= 1;
      }
    }
  }

  async reach(address: string, port: number | undefined, { signal }: FileOptions): Promise<Reached> {
    const target = JSON.stringify([address, port]);
    const known = this.forwards.get(target);
    if (known && !known.login.lost) return { path: known.path };
    const login = await this.take(signal);
    try {
      this.lastNumber += 1;
      const name = `f${this.lastNumber}`;
      const path = join(await this.privateFolder(), name);
      await login.forward(path, address, port, signal);
      this.forwards.set(target, { login, path });
      return { path };
    } finally {
      login.sessions -= 1;
    }
  }

  async close(): Promise<void> {
    const all = this.all.splice(0);
    await Promise.all(
      all.map(({ opened }) =>
        opened.then(
          (login) => login.close(),
          () => undefined,
        ),
      ),
    );
    const folder = await this.folder;
    this.folder = undefined;
    if (folder !== undefined) await dropPrivateFolder(folder);
  }

  private roomy(): Login {
    const found = this.all.find((login) => !login.gone && login.busy < SESSIONS_A_CONNECTION);
    if (found) return found;
    const login = new Login(this.open());
    this.all.push(login);
    return login;
  }

  private async open(): Promise<Connection> {
    this.lastNumber += 1;
    const number = this.lastNumber;
    // Whoever waits for it may be cancelled; others wait for it too, and it is bounded by itself.
    const unbound = new AbortController().signal;
    return Connection.open(this.name, this.spec, await this.privateFolder(), number, unbound);
  }

  private privateFolder(): Promise<string> {
    this.folder ??= makePrivateFolder();
    return this.folder;
  }
}

/** A connection that is there or being made. */
class Login {
  readonly opened: Promise<Connection>;
  /** How many wait for it to be there. */
  claimed = 0;
  private connection: Connection | undefined;
  private failed = false;

  constructor(opened: Promise<Connection>) {
    this.opened = opened;
    opened.then(
      (connection) => {
        this.connection = connection;
      },
      () => {
        this.failed = true;
      },
    );
  }

  get gone(): boolean {
    return this.failed || this.connection?.lost === true;
  }

  get busy(): number {
    return this.claimed + (this.connection?.sessions ?? 0);
  }
}
