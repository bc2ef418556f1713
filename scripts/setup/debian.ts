import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { which } from './programs.ts';
import { say } from './say.ts';
import type { Missing } from './tools.ts';

/** A program that comes with a Debian package. */
interface Packaged {
  readonly program: string;
  readonly package: string;
  /** Where it is when it is not on PATH. */
  readonly find?: () => Promise<string | undefined>;
  /** Only got where it is asked for by name. */
  readonly seldom?: true;
}

/** What tests and the demo start or call. */
const PACKAGED: readonly Packaged[] = [
  { program: 'postgres', package: 'postgresql', find: findPostgres },
  { program: 'redis-server', package: 'redis-server' },
  // The programs alone: this package has no service, makes no user and no folder of data.
  { program: 'mariadbd', package: 'mariadb-server-core', find: findMariadb },
  { program: 'mariadb-dump', package: 'mariadb-client' },
  { program: 'setfattr', package: 'attr' },
  { program: 'setfacl', package: 'acl' },
  { program: 'zstd', package: 'zstd' },
  { program: 'skopeo', package: 'skopeo' },
  { program: 'openssl', package: 'openssl' },
  { program: 'debootstrap', package: 'debootstrap', seldom: true },
  // Looks at reports as their readers do, driven by playwright-core.
  { program: 'chromium', package: 'chromium' },
  // Tests map files for writing with the one; the other fetches further versions of Redis.
  { program: 'python3', package: 'python3' },
  { program: 'pip3', package: 'python3-pip' },
];

export const DEMO_PROGRAMS: readonly string[] = ['postgres', 'redis-server'];
export const TEST_PROGRAMS: readonly string[] = PACKAGED.filter(({ seldom }) => !seldom).map(
  ({ program }) => program,
);

/** Debian keeps the server's programs of every version apart, off PATH. */
async function findPostgres(): Promise<string | undefined> {
  const versions = await readdir('/usr/lib/postgresql').catch(() => []);
  for (const version of versions) {
    const path = `/usr/lib/postgresql/${version}/bin/postgres`;
    if (await exists(path)) return path;
  }
  return undefined;
}

/** Where a user's PATH has no folder of the administrator's. */
async function findMariadb(): Promise<string | undefined> {
  const path = '/usr/sbin/mariadbd';
  return (await exists(path)) ? path : undefined;
}

/**
 * Sees to it that these programs are here, by apt-get where we are root or sudo asks for no password. What cannot be
 * had is returned, and never thrown: the tests that need it are skipped with that reason.
 */
export async function ensurePrograms(programs: readonly string[]): Promise<readonly Missing[]> {
  const absent = await absentOf(programs);
  if (absent.length === 0) return [];
  const names = absent.map((entry) => entry.package);
  const root = await rootPrefix();
  if (!(await which('apt-get'))) return missing(absent, 'this machine has no apt-get');
  if (root === undefined) return missing(absent, `it takes root: apt-get install ${names.join(' ')}`);
  say(`installing ${names.join(', ')} with apt-get`);
  try {
    await withoutStartingServers(root, async () => {
      await apt(root, ['update', '-q']);
      // Its settings must be there before the packages that make a cluster of their own.
      if (names.includes('postgresql')) await apt(root, ['install', 'postgresql-common']);
      const install = () => apt(root, ['install', ...names]);
      await (names.includes('postgresql') ? withoutMainCluster(root, install) : install());
      // What no policy forbids: that it starts with the machine next time.
      if (names.includes('redis-server') && (await which('systemctl')))
        await run([...root, 'systemctl', 'disable', 'redis-server']).catch(() => undefined);
    });
  } catch (error) {
    return missing(await absentOf(programs), error instanceof Error ? error.message : String(error));
  }
  return missing(await absentOf(programs), 'its package did not bring it');
}

async function absentOf(programs: readonly string[]): Promise<readonly Packaged[]> {
  const wanted = PACKAGED.filter(({ program }) => programs.includes(program));
  const found = await Promise.all(
    wanted.map(async ({ program, find }) => (await which(program)) ?? (await find?.())),
  );
  return wanted.filter((_, index) => found[index] === undefined);
}

function missing(absent: readonly Packaged[], why: string): readonly Missing[] {
  return absent.map((entry) => ({
    tool: entry.program,
    reason: `${entry.program} (Debian's ${entry.package}) is not here: ${why}`,
  }));
}

/** What to put before a command that needs root: nothing, sudo, or undefined when there is no way. */
async function rootPrefix(): Promise<readonly string[] | undefined> {
  if (process.getuid?.() === 0) return [];
  if (!(await which('sudo'))) return undefined;
  return run(['sudo', '-n', 'true']).then(
    () => ['sudo', '-n'],
    () => undefined,
  );
}

async function apt(root: readonly string[], args: readonly string[]): Promise<void> {
  const options = ['-y', '-qq', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=600'];
  await run([...root, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...options, ...args]);
}

const POLICY = '/usr/sbin/policy-rc.d';
/** By this a later run knows what one of ours left that was killed in the middle. */
const OURS = '# written by the set-up of stasis, for as long as it installs';

/**
 * Debian starts a server as soon as it is installed, unless this program says no. We say no for as long as we
 * install; where the machine's owner has a policy already, it stays and speaks for itself.
 */
async function withoutStartingServers(root: readonly string[], work: () => Promise<void>): Promise<void> {
  const policy = await readFile(POLICY, 'utf8').catch(() => OURS);
  if (!policy.includes(OURS)) return work();
  await put(root, POLICY, `#!/bin/sh\n${OURS}\nexit 101\n`, '755');
  await toTheEnd(work, () => run([...root, 'rm', '-f', POLICY]));
}

const CREATE_CLUSTER = '/etc/postgresql-common/createcluster.conf';

/** Debian makes a first cluster when a server is installed, unless told not to. What was there is put back. */
async function withoutMainCluster(root: readonly string[], work: () => Promise<void>): Promise<void> {
  const found = await readFile(CREATE_CLUSTER, 'utf8').catch(() => undefined);
  if (found === undefined) return work();
  const [before = ''] = found.split(`\n${OURS}`);
  await put(root, CREATE_CLUSTER, `${before}\n${OURS}\ncreate_main_cluster = false\n`, '644');
  await toTheEnd(work, () => put(root, CREATE_CLUSTER, before, '644'));
}

/** A Ctrl-C ends apt-get, which is in our process group; we have to live on to put back what we changed. */
async function toTheEnd(work: () => Promise<void>, putBack: () => Promise<void>): Promise<void> {
  const stay = (): void => undefined;
  process.on('SIGINT', stay);
  try {
    await work();
  } finally {
    await putBack();
    process.off('SIGINT', stay);
  }
}

async function put(root: readonly string[], path: string, text: string, mode: string): Promise<void> {
  if (root.length === 0) {
    await writeFile(path, text);
    await chmod(path, Number.parseInt(mode, 8));
    return;
  }
  await run([...root, 'sh', '-c', 'cat > "$1" && chmod "$2" "$1"', 'sh', path, mode], text);
}

async function run(argv: readonly string[], input?: string): Promise<void> {
  const [program = '', ...args] = argv;
  const child = spawn(program, args, { stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] });
  let last = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      last = (last + chunk.toString()).slice(-2_000);
    });
  // A command that ends before it has read all says why itself.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(input);
  const [status] = await once(child, 'close');
  if (status !== 0)
    throw new Error(
      `${argv.join(' ')} ended with ${status}: ${last.trim().split('\n').slice(-2).join(' / ')}`,
    );
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
