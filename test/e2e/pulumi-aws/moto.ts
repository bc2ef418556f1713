import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { alone, cacheFolder } from '../../../scripts/setup/cache.ts';
import { guard } from '../../support/guardian.ts';
import { runWell } from '../pulumi-sdk/run.ts';

/** AWS's interfaces as a server on loopback: https://docs.getmoto.org */
const REQUIREMENT = 'moto[server,ec2,rds,elasticache]==5.2.1';
const HOME = join(cacheFolder(), 'moto-5.2.1');

/** How long a server that has just been installed may take to answer. */
const START_MS = 120_000;

/** The Python of a virtual environment with moto, made once into the user's cache. @throws where pip cannot. */
async function ensureMoto(): Promise<string> {
  const python = join(HOME, 'bin/python');
  return alone('moto-5.2.1', async () => {
    // It is complete when this file is there: pip may have been ended half-way.
    const complete = join(HOME, 'complete');
    const isThere = await access(complete).then(
      () => true,
      () => false,
    );
    if (isThere) return python;
    await rm(HOME, { recursive: true, force: true });
    await runWell(['python3', '-m', 'venv', HOME], { cwd: '/' });
    const pip = [python, '-m', 'pip', '--disable-pip-version-check', 'install', '--quiet'];
    await runWell([...pip, REQUIREMENT], { cwd: '/' });
    await mkdir(`${complete}.new`);
    await rename(`${complete}.new`, complete);
    return python;
  });
}

export interface Moto extends AsyncDisposable {
  readonly url: string;
}

/** A server with nothing in it, on a free port. */
export async function startMoto(): Promise<Moto> {
  const python = await ensureMoto();
  const child = spawn(python, ['-m', 'moto.server', '-H', '127.0.0.1', '-p', '0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  guard(child);
  const ended = once(child, 'close');
  const stop = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  const timer = setTimeout(() => child.kill('SIGKILL'), START_MS);
  let printed = '';
  const lines = createInterface({ input: child.stderr });
  for await (const line of lines) {
    printed += `${line}\n`;
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0];
    if (url === undefined) continue;
    clearTimeout(timer);
    child.stderr.resume();
    return { url, [Symbol.asyncDispose]: stop };
  }
  clearTimeout(timer);
  throw new Error(`moto did not start:\n${printed}`);
}
