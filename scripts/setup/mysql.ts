import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { alone, cacheFolder } from './cache.ts';
import { debianMirror } from './mirror.ts';
import { which } from './programs.ts';
import { say } from './say.ts';
import type { Missing } from './tools.ts';

const runFile = promisify(execFile);

/**
 * MySQL's server and client programs. Debian's stable releases have none and its unstable one does: its packages, with
 * all that they depend on, are unpacked into a folder of the cache, where they run by a loader and a C library of their
 * own. Nothing is installed, so neither root nor a certain release is needed, and MariaDB stays as it is.
 */
export interface Mysql {
  /** What comes before the arguments of the server. */
  readonly server: readonly string[];
  /** The same of mysqldump. */
  readonly dump: readonly string[];
  /** A folder of data that has only the user root@localhost, without a password: to be copied. */
  readonly data: string;
}

const SUITE = 'sid';
const PACKAGES = ['mysql-server-core', 'mysql-client-core'];
/** Only for scripts that nobody calls. */
const UNNEEDED = /^(lib)?perl/;
const FETCH_MS = 600_000;
const INITIALIZE_MS = 300_000;

function folder(): string {
  return join(cacheFolder(), 'tools', `mysql-${SUITE}`);
}

/** The programs that are here already. */
export function findMysql(): Mysql | undefined {
  return existsSync(join(folder(), 'data')) ? programsIn(folder()) : undefined;
}

function programsIn(base: string): Mysql {
  const usr = join(base, 'root/usr');
  const libraries = ['lib/x86_64-linux-gnu', 'lib/aarch64-linux-gnu', 'lib/mysql/private'].map((path) =>
    join(usr, path),
  );
  const loaders = ['lib64/ld-linux-x86-64.so.2', 'lib/ld-linux-aarch64.so.1'].map((path) => join(usr, path));
  const loader = [loaders.find((path) => existsSync(path)) ?? '', '--library-path', libraries.join(':')];
  const places = [
    `--basedir=${usr}`,
    `--lc-messages-dir=${usr}/share/mysql`,
    `--character-sets-dir=${usr}/share/mysql/charsets`,
    `--plugin-dir=${usr}/lib/mysql/plugin`,
    '--secure-file-priv=',
  ];
  return {
    server: [...loader, join(usr, 'sbin/mysqld'), '--no-defaults', ...places],
    dump: [...loader, join(usr, 'bin/mysqldump'), '--no-defaults'],
    data: join(base, 'data'),
  };
}

/** Sees to it that they are here. What cannot be had is returned, and never thrown. */
export async function ensureMysql(): Promise<Missing | undefined> {
  if (findMysql() !== undefined) return undefined;
  for (const program of ['apt-get', 'dpkg-deb'])
    if (!(await which(program)))
      return { tool: 'mysqld', reason: `MySQL's server is not here: this machine has no ${program}` };
  return alone('mysql', async () => {
    if (findMysql() !== undefined) return undefined;
    say(`fetching MySQL's server from Debian ${SUITE}, once, into ${folder()}`);
    const scratch = `${folder()}.unfinished`;
    try {
      await rm(scratch, { recursive: true, force: true });
      await fetchPackages(scratch);
      await initialize(scratch);
      await rename(scratch, folder());
      return undefined;
    } catch (error) {
      const said = error instanceof Error ? error.message.trim().split('\n').at(-1) : String(error);
      return { tool: 'mysqld', reason: `MySQL's server could not be fetched: ${said}` };
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  });
}

/** By the machine's own apt, its proxies and its keys, but with lists and a state of our own: nothing is installed. */
async function fetchPackages(base: string): Promise<void> {
  const apt = join(base, 'apt');
  await mkdir(join(apt, 'state/lists/partial'), { recursive: true });
  await mkdir(join(apt, 'cache/archives/partial'), { recursive: true });
  await writeFile(join(apt, 'status'), '');
  const key = ['gpg', 'pgp']
    .map((end) => `/usr/share/keyrings/debian-archive-keyring.${end}`)
    .find((path) => existsSync(path));
  const signed = key === undefined ? '' : `[signed-by=${key}] `;
  await writeFile(join(apt, 'sources.list'), `deb ${signed}${await debianMirror()} ${SUITE} main\n`);
  const settings = {
    'Dir::State': join(apt, 'state'),
    'Dir::State::status': join(apt, 'status'),
    'Dir::Cache': join(apt, 'cache'),
    'Dir::Etc::sourcelist': join(apt, 'sources.list'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::preferences': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'Acquire::Languages': 'none',
    'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled': 'false',
    'APT::Install-Recommends': '0',
    // Where the cache folder is, nobody else may write.
    ...(process.getuid?.() === 0 ? { 'APT::Sandbox::User': 'root' } : {}),
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  const run = (args: readonly string[]) =>
    runFile('apt-get', ['-q', '-y', ...options, ...args], { timeout: FETCH_MS, maxBuffer: 1 << 24 });
  await run(['update']);
  await run(['install', '--download-only', ...PACKAGES]);
  const archives = join(apt, 'cache/archives');
  for (const name of await readdir(archives))
    if (name.endsWith('.deb') && !UNNEEDED.test(name))
      await runFile('dpkg-deb', ['-x', join(archives, name), join(base, 'root')], { timeout: FETCH_MS });
  await rm(apt, { recursive: true, force: true });
  await rm(join(base, 'root/usr/share/doc'), { recursive: true, force: true });
}

/** Once for all tests, as it takes seconds. In a folder that the account can reach, which the cache may not be. */
async function initialize(base: string): Promise<void> {
  const place = await mkdtemp(join(tmpdir(), 'stasis-mysql-'));
  try {
    const [program = '', ...args] = programsIn(base).server;
    const data = join(place, 'data');
    const account = await accountOfMysql();
    await giveToServer(place);
    await runFile(
      program,
      [
        ...args,
        ...(account === undefined ? [] : [`--user=${account.name}`]),
        ...FAST,
        `--datadir=${data}`,
        `--tmpdir=${place}`,
        '--initialize-insecure',
      ],
      { cwd: place, timeout: INITIALIZE_MS },
    );
    // By it servers know one another: each shall have its own.
    await rm(join(data, 'auto.cnf'), { force: true });
    await runFile('cp', ['-a', data, join(base, 'data')]);
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

const FAST = [
  '--innodb-flush-method=nosync',
  '--innodb-flush-log-at-trx-commit=0',
  '--innodb-redo-log-capacity=32M',
  '--skip-log-bin',
];

/**
 * Started by root, it reads its programs as root and then becomes this account: they may lie where only root sees them.
 * Undefined where we are not root.
 */
export async function accountOfMysql(): Promise<
  { readonly name: string; readonly owner: string } | undefined
> {
  if (process.getuid?.() !== 0) return undefined;
  const passwd = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  const account = passwd.find(([name]) => name === 'mysql') ?? passwd.find(([name]) => name === 'nobody');
  const [name = 'nobody', , uid = '65534', gid = '65534'] = account ?? [];
  return { name, owner: `${uid}:${gid}` };
}

/** Copies a folder of data to a place that is not there yet, and gives it, and the folder around it, to its server. */
export async function copyOfData({ data }: Mysql, into: string): Promise<void> {
  await runFile('cp', ['-a', data, into]);
  await giveToServer(dirname(into));
}

async function giveToServer(path: string): Promise<void> {
  const account = await accountOfMysql();
  if (account !== undefined) await runFile('chown', ['-R', account.owner, path]);
}
