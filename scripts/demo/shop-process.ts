import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { ShopMessage, ShopReport } from './shop/main.ts';
import type { ShopStores } from './shop/stores.ts';

const ANSWER_MS = 60_000;
const CLOSE_MS = 10_000;

/** A shop that sells in a process of its own, until disposed of. */
export interface Shop extends AsyncDisposable {
  /** Its figures since this was asked last. @throws Error when the shop has failed meanwhile. */
  report(): Promise<ShopReport>;
}

/** Opens a shop over these stores and lets it sell. @throws Error when it cannot open. */
export async function startShop(stores: ShopStores): Promise<Shop> {
  const child = fork(join(import.meta.dirname, 'shop/main.ts'), {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: {
      PATH: process.env.PATH,
      SHOP_ORDERS_URL: stores.ordersUrl,
      SHOP_CARTS_URL: stores.cartsUrl,
      SHOP_RECEIPTS_PATH: stores.receiptsPath,
    },
  });
  const shop: Shop = {
    async report() {
      if (child.connected) child.send('report');
      const message = await nextMessage(child);
      if (message.kind !== 'report') throw unexpected(message);
      return message.report;
    },
    [Symbol.asyncDispose]: () => close(child),
  };
  try {
    const message = await nextMessage(child);
    if (message.kind !== 'started') throw unexpected(message);
    return shop;
  } catch (error) {
    await close(child);
    throw error;
  }
}

async function nextMessage(child: ChildProcess): Promise<ShopMessage> {
  const signal = AbortSignal.timeout(ANSWER_MS);
  const [message] = await Promise.race([once(child, 'message', { signal }), once(child, 'exit', { signal })]);
  if (message !== null && typeof message === 'object') return message as ShopMessage;
  throw new Error(`the shop's process has ended (${message ?? child.signalCode})`);
}

function unexpected(message: ShopMessage): Error {
  return new Error(
    message.kind === 'failed' ? `the shop failed: ${message.message}` : `the shop said ${message.kind}`,
  );
}

async function close(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), CLOSE_MS);
  await ended;
  clearTimeout(timer);
}
