import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { access, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { alone, cacheFolder } from '../setup/cache.ts';
import { ensurePrograms } from '../setup/debian.ts';
import { debianMirror } from '../setup/mirror.ts';
import { say } from '../setup/say.ts';
import type { Missing } from '../setup/tools.ts';
import { command, succeeds } from './command.ts';
import { whyNoLab } from './fitness.ts';
import { PACKAGES, SUITE } from './packages.ts';

/** A slow mirror and two busy cores. */
const BUILD_MS = 30 * 60_000;

export function labFolder(): string {
  return join(cacheFolder(), 'lab');
}

/** The hosts' root file system, if it is here: a folder that nobody writes to. */
export async function findRoot(): Promise<string | undefined> {
  const path = await rootPath();
  return access(path).then(
    () => path,
    () => undefined,
  );
}

/** The hosts' root file system, built if it is not here. Never throws for one that cannot be had. */
export async function ensureRoot(): Promise<string | Missing> {
  const reason = await whyNoLab();
  if (reason !== undefined) return { tool: 'lab', reason };
  const here = await findRoot();
  if (here !== undefined) return here;
  const [missing] = await ensurePrograms(['debootstrap']);
  if (missing !== undefined) return missing;
  return alone('lab-root', async () => {
    const meanwhile = await findRoot();
    if (meanwhile !== undefined) return meanwhile;
    say(`building the root file system of the lab's hosts, once, into ${labFolder()} (a minute or two)`);
    try {
      return await build(await rootPath());
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      return { tool: 'lab', reason: `the root file system of the lab's hosts could not be built: ${said}` };
    }
  });
}

/** By what it is made of: whatever changes that, changes the name. */
async function rootPath(): Promise<string> {
  const digest = createHash('sha256').update(JSON.stringify([SUITE, PACKAGES]));
  for (const name of ['root.sh', 'prlimit.c']) digest.update(await readFile(join(import.meta.dirname, name)));
  return join(labFolder(), `root-${digest.digest('hex').slice(0, 16)}`);
}

async function build(path: string): Promise<string> {
  const unfinished = `${path}.unfinished`;
  const log = join(labFolder(), 'root.log');
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  await dropOthers(path);
  const arch = (await command(['dpkg', '--print-architecture'])).trim();
  await using output = await open(log, 'w');
  const child = spawn(
    'unshare',
    [
      ...['--mount', '--pid', '--propagation', 'private', '--fork', '--kill-child'],
      ...['sh', join(import.meta.dirname, 'root.sh'), unfinished, SUITE, await debianMirror(), arch],
    ],
    { stdio: ['pipe', output.fd, output.fd], timeout: BUILD_MS, killSignal: 'SIGKILL' },
  );
  child.stdin?.end(PACKAGES.join('\n'));
  const [status] = await once(child, 'close');
  if (status !== 0) {
    const lines = (await readFile(log, 'utf8')).trim().split('\n');
    const told = lines.filter((line) => /^(E:|W: Failure|.*[Ee]rror)/.test(line)).at(-1) ?? lines.at(-1);
    await rm(unfinished, { recursive: true, force: true });
    throw new Error(`${told ?? `it ended with ${status}`} (all of it is in ${log})`);
  }
  await rename(unfinished, path);
  return path;
}

/** Roots of other package lists, but for those that a lab stands on. */
async function dropOthers(path: string): Promise<void> {
  for (const name of await readdir(labFolder())) {
    const other = join(labFolder(), name);
    if (!/^root-[0-9a-f]{16}(\.unfinished)?$/.test(name) || other.startsWith(path)) continue;
    if (!(await stat(other)).isDirectory() || !(await succeeds(['flock', '-n', other, 'true']))) continue;
    await rm(other, { recursive: true, force: true });
  }
}
