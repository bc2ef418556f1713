import type { ChildProcess } from 'node:child_process';
import { chown, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';

/** Whom a server of a test runs as: nobody else than us, unless we are root. */
export interface Account {
  readonly uid?: number;
  readonly gid?: number;
}

/** Servers refuse to run as root, or should: then it is this account, or `nobody`. */
export async function unprivileged(name: string): Promise<Account> {
  if (process.getuid?.() !== 0) return {};
  const passwd = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  const entry = passwd.find(([one]) => one === name) ?? passwd.find(([one]) => one === 'nobody');
  return entry ? { uid: Number(entry[2]), gid: Number(entry[3]) } : { uid: 65534, gid: 65534 };
}

/** Makes it the owner of a file or folder. */
export async function giveTo(account: Account, path: string): Promise<void> {
  if (account.uid !== undefined) await chown(path, account.uid, account.gid ?? account.uid);
}

export function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

/** SIGKILL when the signal has not ended it in time. A stopped (SIGSTOP) one is continued first, as it ends only then. */
export async function endServer(
  child: ChildProcess | undefined,
  signal: NodeJS.Signals,
  patienceMs: number,
): Promise<void> {
  if (!child || hasEnded(child)) return;
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill(signal);
  child.kill('SIGCONT');
  const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  await exited;
  clearTimeout(timer);
}

/** A port of loopback that nobody listens on, just now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

const TRIES = 5;

/** Another process may take the free port between our look and the server's bind: then another is chosen. */
export async function onFreePort(
  launch: (port: number) => Promise<void>,
  giveUp: () => Promise<void>,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await launch(await freePort());
      return;
    } catch (error) {
      await giveUp();
      if (attempt === TRIES) throw error;
    }
  }
}
