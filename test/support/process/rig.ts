import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { once } from '../../../provider/core/content.ts';
import type { Host } from '../../../provider/core/host.ts';
import { sleep } from '../../../provider/core/wait.ts';
import { sshHost } from '../../../provider/hosts/ssh/host.ts';
import type { Lab } from '../lab.ts';

const COMMAND_MS = 60_000;

/** Runs a shell script on a host; what it printed. @throws Error with what it said when it fails */
export async function on(host: Host, script: string, ...args: string[]): Promise<string> {
  const { signal } = new AbortController();
  const result = await host.run(['sh', '-c', script, 'test', ...args], { signal, timeoutMs: COMMAND_MS });
  if (result.status !== 0)
    throw new Error(`${host.name}: ${result.stderr.trim() || `status ${result.status}`}`);
  return result.stdout.trim();
}

export function labHost(lab: Lab, name: keyof Lab['hosts']): Host & AsyncDisposable {
  return sshHost(name, {
    address: lab.hosts[name].address,
    user: 'root',
    privateKeyFile: lab.keyFile,
    knownHostsFile: lab.knownHostsFile,
  });
}

/**
 * A filter that refuses io_uring_setup (system call 425) with ENOSYS: four instructions of classic BPF, as a container's
 * default profile or a unit's SystemCallFilter would have it. Node.js uses io_uring otherwise, which CRIU cannot dump.
 */
const NO_IO_URING = [
  [0x20, 0, 0, 0],
  [0x15, 0, 1, 425],
  [0x06, 0, 0, 0x00050000 | 38],
  [0x06, 0, 0, 0x7fff0000],
] as const;

/** As `setpriv --seccomp-filter` takes it. */
export function noIoUring(): Buffer {
  return Buffer.concat(
    NO_IO_URING.map(([code, yes, no, value]) => {
      const instruction = Buffer.alloc(8);
      instruction.writeUInt16LE(code, 0);
      instruction.writeUInt8(yes, 2);
      instruction.writeUInt8(no, 3);
      instruction.writeUInt32LE(value, 4);
      return instruction;
    }),
  );
}

/** Starts a program as a service is started: in a session of its own, with nothing open but its log. */
const START = `
name=$1; shift
cd /srv/app
setsid "$@" < /dev/null > "/srv/app/$name/log" 2>&1 &
echo $! > "/run/$name.pid"
`;

/** A Redis and a token service that talks to it, both with all of their state in memory. */
export class TokenApplication {
  readonly host: Host;

  constructor(host: Host) {
    this.host = host;
  }

  static async start(host: Host): Promise<TokenApplication> {
    const { signal } = new AbortController();
    await on(host, 'mkdir -p /srv/app/redis /srv/app/tokens /opt/app');
    const source = await readFile(join(import.meta.dirname, 'token-service.cjs'));
    await host.write('/opt/app/token-service.cjs', once(source), { signal });
    await host.write('/opt/app/no-io-uring', once(noIoUring()), { signal });
    await on(
      host,
      START,
      'redis',
      'redis-server',
      '--save',
      '',
      '--bind',
      '127.0.0.1',
      '--dir',
      '/srv/app/redis',
    );
    await until(async () => (await on(host, 'redis-cli ping')) === 'PONG');
    const node = [
      'setpriv',
      '--seccomp-filter',
      '/opt/app/no-io-uring',
      'node',
      '/opt/app/token-service.cjs',
    ];
    await on(host, START, 'tokens', ...node);
    const application = new TokenApplication(host);
    await until(async () => (await application.state()).confirmed > 10);
    return application;
  }

  issue(token: string): Promise<string> {
    return get(this.host, '', `/issue/${token}`);
  }

  state(): Promise<TokenState> {
    return stateOf(this.host, '');
  }

  async end(): Promise<void> {
    await on(
      this.host,
      'for p in /run/tokens.pid /run/redis.pid; do kill -9 "$(cat $p)"; rm -f $p; done; true',
    );
  }
}

export interface TokenState {
  readonly confirmed: number;
  readonly beats: number;
  readonly connections: number;
  readonly errors: number;
  readonly backwards: number;
  readonly tokens: number;
  readonly pid: number;
}

/** Asked on the host, in the network namespace of that name or in its own. */
export async function stateOf(host: Host, network: string, at = '127.0.0.1:7070'): Promise<TokenState> {
  return JSON.parse(await get(host, network, '/state', at)) as TokenState;
}

const GET = `
enter=
[ -z "$1" ] || enter="nsenter --net=/run/netns/$1"
exec $enter node -e 'require("http").get("http://" + process.argv[1], { timeout: 5000 }, (response) => {
  response.pipe(process.stdout);
}).on("error", (error) => { console.error(error.message); process.exit(1); })' "$3$2"
`;

export function get(host: Host, network: string, path: string, at = '127.0.0.1:7070'): Promise<string> {
  return on(host, GET, network, path, at);
}

export async function until(look: () => Promise<boolean>, withinMs = 20_000): Promise<void> {
  const untilMs = Date.now() + withinMs;
  for (;;) {
    const seen = await look().catch((error: unknown) => error);
    if (seen === true) return;
    if (Date.now() > untilMs) throw new Error('it did not come about', { cause: seen });
    await sleep(50);
  }
}
