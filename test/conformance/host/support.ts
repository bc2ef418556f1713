import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { sleep } from '../../../provider/core/wait.ts';
import { guard } from '../../support/guardian.ts';
import type { HostUnderTest } from './under-test.ts';

export const never = (): AbortSignal => new AbortController().signal;

/** Until it holds, for at most some seconds. */
export async function eventually(check: () => Promise<void>, patienceMs = 20_000): Promise<void> {
  const until = Date.now() + patienceMs;
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      if (Date.now() > until) throw error;
      await sleep(100);
    }
  }
}

/** Another process of ours that uses the same host, ready. */
export async function holder(
  { child }: HostUnderTest,
  what: string,
  rest: readonly string[],
): Promise<ChildProcess> {
  const process_ = spawn(
    process.execPath,
    [join(import.meta.dirname, 'holder.ts'), child.module, what, child.argument, ...rest],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  guard(process_);
  let said = '';
  for await (const chunk of process_.stdout) {
    said += String(chunk);
    if (said.includes('ready\n')) return process_;
  }
  throw new Error(`the holder ended: ${said}`);
}
