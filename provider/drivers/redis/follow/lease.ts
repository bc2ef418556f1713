import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { within } from '../../../core/wait.ts';
import { type Followed, followFailed } from './stop-following.ts';

/** What the lease's process is told on its standard input: the URL has a password. */
export interface LeaseOrder {
  readonly url: string;
  readonly followed: Followed;
  /** Silence of ours for longer than this is our death. */
  readonly leaseMs: number;
}

const LEASE_MS = 10_000;
const BEAT_MS = 1_000;
/** How long its process may take to start and to log in. */
const ARM_MS = 15_000;
const END_MS = 5_000;

/**
 * The lease of a target that follows a stand-in. Its process is no child that dies with us: it is detached, so that
 * neither a Ctrl-C nor the end of our process group reaches it.
 */
export class FollowLease implements AsyncDisposable {
  private readonly child: ChildProcessByStdio<Writable, Readable, null>;
  private readonly beat: NodeJS.Timeout;

  private constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
    this.child = child;
    this.beat = setInterval(() => child.stdin.write('alive\n'), BEAT_MS);
    this.beat.unref();
  }

  /** Armed on return. @throws StasisError `redis.follow-failed`, `timeout` */
  static async arm(url: string, followed: Followed, signal: AbortSignal): Promise<FollowLease> {
    const child = spawn(process.execPath, [leaseFile()], {
      detached: true,
      stdio: ['pipe', 'pipe', 'ignore'],
      env: {},
      cwd: '/',
    });
    child.stdin.on('error', () => undefined);
    child.once('error', () => undefined);
    try {
      const order: LeaseOrder = { url, followed, leaseMs: LEASE_MS };
      child.stdin.write(`${JSON.stringify(order)}\n`);
      await within(ARM_MS, 'arming the lease', signal, async (own) => {
        const ended = once(child, 'exit', { signal: own });
        const [said] = await Promise.race([once(child.stdout, 'data', { signal: own }), ended]);
        ended.catch(() => undefined);
        if (!Buffer.isBuffer(said)) throw followFailed('its lease could not be armed');
      });
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
    child.unref();
    return new FollowLease(child);
  }

  /** Whether it would still act. */
  get holds(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Leaves the rest to it: for whoever cannot reach the target any more. It acts at once, and goes on trying. */
  handOver(): void {
    clearInterval(this.beat);
    this.child.stdin.end();
  }

  /** All is done: it ends without doing anything. Nothing after `handOver`. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.beat);
    if (!this.holds || this.child.stdin.writableEnded) return;
    const exited = once(this.child, 'exit');
    this.child.stdin.end('done\n');
    await within(END_MS, 'the end of the lease', undefined, () => exited).catch(() => undefined);
  }
}

function leaseFile(): string {
  const source = new URL('./lease-process.ts', import.meta.url);
  return fileURLToPath(existsSync(source) ? source : new URL('./redis-lease.mjs', import.meta.url));
}
