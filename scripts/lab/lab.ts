import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { alone } from '../setup/cache.ts';
import { command } from './command.ts';
import { cgroupPrefix, endLab, isUp, labsFolder, sweepLabs } from './folder.ts';
import { freeSubnets } from './subnets.ts';

/** The hosts, and the last part of their addresses. */
const HOSTS = { cloud: 11, sovereign: 12 } as const;
export type HostName = keyof typeof HOSTS;
export const HOST_NAMES = Object.keys(HOSTS) as readonly HostName[];

const START_MS = 60_000;

/** Two machines and what it takes to log in to them. */
export interface Lab extends AsyncDisposable {
  readonly name: string;
  readonly folder: string;
  /** Where the machine that runs it is reached by the hosts. */
  readonly machineAddress: string;
  readonly hosts: Readonly<Record<HostName, LabHost>>;
  /** For `ssh -F`: knows both hosts by name. */
  readonly sshConfig: string;
  /** The private key that root and `deploy` (not root, but may become so by sudo) are logged in with. */
  readonly keyFile: string;
  readonly knownHostsFile: string;
}

export interface LabHost {
  readonly name: HostName;
  /** IPv4. Its sshd listens on port 22. */
  readonly address: string;
  /** Its public host key, as in a known hosts file: `ssh-ed25519 AAAA…`. */
  readonly hostKey: string;
}

export interface StartOptions {
  /** Up to 32 letters, digits and `-`. Labs of different names do not meet. */
  readonly name: string;
  /** Whether it stays when this process ends; otherwise it goes with us, however we end. */
  readonly stays: boolean;
}

/**
 * Starts a lab on this root file system. Disposal ends it, and nothing of it is left.
 * @throws Error when one of that name is up, or a host does not come up in time
 */
export async function startLab(root: string, options: StartOptions): Promise<Lab> {
  const folder = join(labsFolder(), options.name);
  return alone('lab', async () => {
    await sweepLabs();
    if (await findLab(options.name)) throw new Error(`a lab of the name ${options.name} is up already`);
    // One that somebody was starting when he was killed.
    await endLab(folder);
    await mkdir(folder, { recursive: true });
    try {
      await makeKeys(join(folder, 'ssh'));
      await keep(root, folder, options);
      const lab = await labIn(folder);
      await untilReady(lab);
      return lab;
    } catch (error) {
      const log = await readFile(join(folder, 'log'), 'utf8').catch(() => '');
      await endLab(folder);
      throw new Error(`${(error as Error).message} ${log.trim()}`.trim(), { cause: error });
    }
  });
}

/** Waits until both hosts can be logged in to: whoever started it may have been killed before they could. @throws Error */
export async function untilReady(lab: Lab): Promise<void> {
  await Promise.all(HOST_NAMES.map((host) => untilReachable(lab, host)));
}

/** The lab of that name, if it is up. */
export async function findLab(name: string): Promise<Lab | undefined> {
  const folder = join(labsFolder(), name);
  const there = await readFile(join(folder, 'ssh/config')).catch(() => undefined);
  return there !== undefined && (await isUp(folder)) ? labIn(folder) : undefined;
}

async function makeKeys(folder: string): Promise<void> {
  await mkdir(folder, { mode: 0o700 });
  for (const name of ['key', ...HOST_NAMES])
    await command(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', join(folder, name)]);
  await writeFile(join(folder, 'authorized_keys'), await readFile(join(folder, 'key.pub')));
}

/**
 * Starts the keeper, in whose namespaces all of the lab lives. It takes the lock on the folder before anything else,
 * and the machine's network namespace as descriptor 9.
 */
async function keep(root: string, folder: string, { stays }: StartOptions): Promise<void> {
  const namespaces = ['--mount', '--pid', '--net', '--uts', '--ipc', '--propagation', 'private'];
  const argv = [
    ...['flock', '--no-fork', '--nonblock', folder, 'unshare', ...namespaces, '--fork', '--kill-child'],
    ...['sh', join(import.meta.dirname, 'keeper.sh'), root, folder, cgroupPrefix(folder)],
    ...[stays ? 'FOREVER' : 'WHILE-INPUT', (await freeSubnets()).join(' ')],
    Object.entries(HOSTS)
      .map(([host, number]) => `${host}=${number}`)
      .join(' '),
  ];
  await using log = await open(join(folder, 'log'), 'a');
  const child = spawn('sh', ['-c', 'exec 9</proc/self/ns/net; exec "$@"', 'sh', ...argv], {
    cwd: '/',
    detached: true,
    stdio: [stays ? 'ignore' : 'pipe', 'pipe', log.fd],
  });
  const subnet = await readySubnet(child);
  if (subnet === undefined) throw new Error('The lab did not come up.');
  await writeSshConfig(folder, subnet);
}

/** What the keeper says once the hosts are there. From then on nothing of it keeps this process alive. */
async function readySubnet(child: ChildProcess): Promise<string | undefined> {
  const timer = setTimeout(() => child.kill('SIGKILL'), START_MS);
  let said = '';
  for await (const chunk of child.stdout!) {
    said += String(chunk);
    if (said.endsWith('\n')) break;
  }
  clearTimeout(timer);
  child.unref();
  // Its input is ours to hold open, until we are gone.
  (child.stdin as Socket | null)?.unref();
  return /^ready (\S+)\n$/.exec(said)?.[1];
}

async function writeSshConfig(folder: string, subnet: string): Promise<void> {
  const ssh = join(folder, 'ssh');
  const known: string[] = [];
  const config: string[] = [];
  for (const [name, number] of Object.entries(HOSTS)) {
    const address = `${subnet}.${number}`;
    known.push(`${name},${address} ${await publicKey(ssh, name)}`);
    config.push(`Host ${name} ${address}`, `  HostName ${address}`, `  HostKeyAlias ${name}`);
  }
  config.push(
    ...['Host *', '  User root', `  IdentityFile "${ssh}/key"`, '  IdentitiesOnly yes', '  BatchMode yes'],
    ...[`  UserKnownHostsFile "${ssh}/known_hosts"`, '  GlobalKnownHostsFile none', '  ConnectTimeout 5'],
    '  StrictHostKeyChecking yes',
  );
  await writeFile(join(ssh, 'known_hosts'), `${known.join('\n')}\n`);
  await writeFile(join(folder, 'subnet'), subnet);
  await writeFile(join(ssh, 'config'), `${config.join('\n')}\n`);
}

/** Type and key, without the comment. */
async function publicKey(ssh: string, name: string): Promise<string> {
  return (await readFile(join(ssh, `${name}.pub`), 'utf8')).split(' ').slice(0, 2).join(' ');
}

async function labIn(folder: string): Promise<Lab> {
  const ssh = join(folder, 'ssh');
  const subnet = await readFile(join(folder, 'subnet'), 'utf8');
  const host = async (name: HostName): Promise<LabHost> => ({
    name,
    address: `${subnet}.${HOSTS[name]}`,
    hostKey: await publicKey(ssh, name),
  });
  return {
    name: folder.slice(folder.lastIndexOf('/') + 1),
    folder,
    machineAddress: `${subnet}.1`,
    hosts: { cloud: await host('cloud'), sovereign: await host('sovereign') },
    sshConfig: join(ssh, 'config'),
    keyFile: join(ssh, 'key'),
    knownHostsFile: join(ssh, 'known_hosts'),
    [Symbol.asyncDispose]: () => alone('lab', () => endLab(folder)),
  };
}

async function untilReachable(lab: Lab, host: HostName): Promise<void> {
  const until = Date.now() + START_MS;
  for (;;) {
    const failure = await command(['ssh', '-F', lab.sshConfig, host, 'true']).catch((error: Error) => error);
    if (typeof failure === 'string') return;
    if (Date.now() > until)
      throw new Error(`The host ${host} of the lab cannot be reached: ${failure.message}.`);
    await sleep(100);
  }
}
