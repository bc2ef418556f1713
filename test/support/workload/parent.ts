import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { WorkloadMessage } from './child.ts';

const ANSWER_MS = 120_000;
const CLOSE_MS = 10_000;

/** A process that keeps an application busy, apart from ours so that neither slows the other's clock. */
export interface Workload<Report> extends AsyncDisposable {
  /** Its figures. @throws Error when it has failed meanwhile. */
  report(): Promise<Report>;
  /** Ends it after what is under way: then nothing is. Idempotent. @throws Error when it had failed. */
  stop(): Promise<void>;
}

/**
 * Starts `file`, which calls `serveWorkload`, and returns once it works. URLs go by environment, as they hold
 * passwords. @throws Error when it does not start.
 */
export async function startWorkload<Report>(
  file: string,
  env: Readonly<Record<string, string>>,
): Promise<Workload<Report>> {
  const child = fork(file, {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { PATH: process.env.PATH, ...env },
  });
  let failure: string | undefined;
  child.on('message', (message: WorkloadMessage) => {
    if (message.kind === 'failed') failure = message.message;
  });
  const answer = async (wanted: WorkloadMessage['kind']): Promise<WorkloadMessage> => {
    // The one of the two that does not happen must not go on listening.
    const done = new AbortController();
    const signal = AbortSignal.any([done.signal, AbortSignal.timeout(ANSWER_MS)]);
    const heard = Promise.race([once(child, 'message', { signal }), once(child, 'exit', { signal })]);
    const [message] = await heard.finally(() => done.abort());
    if (message !== null && typeof message === 'object' && message.kind === wanted) return message;
    throw new Error(`the workload failed: ${failure ?? `it ended with ${message ?? child.signalCode}`}`);
  };
  const workload: Workload<Report> = {
    async report() {
      if (failure === undefined && child.connected) child.send('report');
      const message = await answer('report');
      return (message as Extract<WorkloadMessage, { kind: 'report' }>).report as Report;
    },
    async stop() {
      await end(child);
      if (failure !== undefined) throw new Error(`the workload failed: ${failure}`);
    },
    [Symbol.asyncDispose]: () => end(child),
  };
  try {
    await answer('started');
    return workload;
  } catch (error) {
    await end(child);
    throw error;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), CLOSE_MS);
  await ended;
  clearTimeout(timer);
}
