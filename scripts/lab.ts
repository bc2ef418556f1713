import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { whyNoLab } from './lab/fitness.ts';
import { endLab, labsFolder, sweepLabs } from './lab/folder.ts';
import { findLab, HOST_NAMES, type HostName, type Lab, startLab, untilReady } from './lab/lab.ts';
import { ensureRoot, findRoot } from './lab/root.ts';
import { alone } from './setup/cache.ts';

/** `npm run lab check | up | down | shell HOST [COMMAND …]`: two machines to try things on, made of namespaces of this one. */
const NAME = 'default';
const NOT_BUILT = 'The root file system of its hosts is built first, by: npm run lab up';
const [verb, ...rest] = process.argv.slice(2);

if (verb === 'check') await check();
else if (verb === 'up') await up();
else if (verb === 'down') await down();
else if (verb === 'shell' && isHost(rest[0])) await shell(rest[0], rest.slice(1));
else fail(2, `Say one of: check, up, down, shell ${HOST_NAMES.join('|')} [COMMAND …].`);

/** Whether this machine can host it, and what `up` would do first; changes nothing. */
async function check(): Promise<void> {
  const reason = await whyNoLab();
  if (reason !== undefined) fail(1, reason);
  const root = await findRoot();
  console.log(
    `This machine can host the lab. ${root === undefined ? NOT_BUILT : `Its hosts are made of ${root}.`}`,
  );
}

async function up(): Promise<void> {
  const root = await ensureRoot();
  if (typeof root !== 'string') fail(1, root.reason);
  const lab = (await findLab(NAME)) ?? (await startLab(root, { name: NAME, stays: true }));
  await untilReady(lab);
  console.log(describe(lab));
}

async function down(): Promise<void> {
  const there = await findLab(NAME);
  await alone('lab', async () => {
    if (there) await endLab(there.folder);
    await sweepLabs();
  });
  console.log(there ? 'The lab is down, and nothing of it is left.' : `No lab was up in ${labsFolder()}.`);
}

async function shell(host: HostName, argv: readonly string[]): Promise<void> {
  const lab = await findLab(NAME);
  if (!lab) fail(1, 'The lab is not up. Start it with: npm run lab up');
  const child = spawn('ssh', ['-F', lab.sshConfig, host, ...argv], { stdio: 'inherit' });
  const [status] = await once(child, 'close');
  process.exitCode = typeof status === 'number' ? status : 1;
}

function describe(lab: Lab): string {
  const hosts = Object.values(lab.hosts);
  const width = Math.max(...hosts.map(({ name }) => name.length));
  return [
    ...hosts.map(
      ({ name, address }) => `${name.padEnd(width)}  ${address}  root or deploy, by ${lab.keyFile}`,
    ),
    `ssh -F ${lab.sshConfig} ${hosts[0]?.name}`,
  ].join('\n');
}

function isHost(name: string | undefined): name is HostName {
  return HOST_NAMES.some((host) => host === name);
}

function fail(status: number, message: string): never {
  console.error(message);
  process.exit(status);
}
