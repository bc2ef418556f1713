import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Holding } from './ledger.ts';
import { till } from './till.ts';

export interface Bank {
  /** Operations done so far. */
  operations(): Promise<number>;
  /** Lets each worker finish its operation, and ends. */
  stop(): Promise<void>;
}

/** Starts the bank's workers over stores in the order in which an operation goes through them. */
export async function startBank(urls: readonly string[], restMs: number): Promise<Bank> {
  const child = fork(join(import.meta.dirname, 'bank-process.ts'), [String(restMs)], {
    env: { PATH: process.env.PATH, BANK_STORES: JSON.stringify(urls) },
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  const [ready] = await Promise.race([once(child, 'message'), exited]);
  if (ready !== 'ready') throw new Error('the bank did not open');
  return {
    operations: async () => {
      child.send('count');
      const [answer] = (await once(child, 'message')) as [{ operations: number }];
      return answer.operations;
    },
    stop: async () => {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}

/** What a store holds, read at one instant. */
export async function holdingOf(url: string): Promise<Holding> {
  const own = till(url);
  await own.open();
  try {
    return await own.read();
  } finally {
    await own.close();
  }
}
