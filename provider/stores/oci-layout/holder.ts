import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';

/**
 * A process, so that another one can prove that it is dead: a process id alone is used again, and means something
 * else on another machine or in another container. On Linux boot id and PID namespace say whose ids they are, and
 * the start time (field 22 of /proc/PID/stat, proc_pid_stat(5)) tells a later process of the same id apart.
 */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: string;
  readonly bootId: string;
  readonly pidNamespace: string;
  readonly hostname: string;
}

/** `unknown`: it lives in another world, and only its heartbeat can tell. */
export type Liveness = 'alive' | 'dead' | 'unknown';

let own: Promise<ProcessIdentity> | undefined;

export function thisProcess(): Promise<ProcessIdentity> {
  own ??= identify();
  return own;
}

async function identify(): Promise<ProcessIdentity> {
  const [stat, bootId, pidNamespace] = await Promise.all([
    readStat(process.pid),
    readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => ''),
    readlink('/proc/self/ns/pid').catch(() => ''),
  ]);
  return {
    pid: process.pid,
    startTime: stat?.startTime ?? '',
    bootId: bootId.trim(),
    pidNamespace,
    hostname: hostname(),
  };
}

export async function livenessOf(other: ProcessIdentity): Promise<Liveness> {
  const self = await thisProcess();
  const sameWorld =
    other.bootId !== '' &&
    other.startTime !== '' &&
    other.bootId === self.bootId &&
    other.pidNamespace === self.pidNamespace;
  if (!sameWorld) return 'unknown';
  const stat = await readStat(other.pid);
  // A zombie has ended; only its parent has not asked yet.
  const gone = stat === undefined || stat.state === 'Z' || stat.state === 'X';
  return gone || stat.startTime !== other.startTime ? 'dead' : 'alive';
}

async function readStat(pid: number): Promise<{ state: string; startTime: string } | undefined> {
  let text: string;
  try {
    text = await readFile(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The second field is the command in parentheses, which may hold anything; fields are counted after its end.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', startTime: fields[19] ?? '' };
}
