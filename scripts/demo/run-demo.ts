import { setTimeout as sleep } from 'node:timers/promises';
import type { SealedSnapshot } from '../../provider/core/store.ts';
import { say } from '../setup/say.ts';
import { chooseEngine } from './engines/choose.ts';
import type { Applied, EngineName } from './engines/engine.ts';
import type { DemoOptions } from './options.ts';
import { readSnapshot } from './picture.ts';
import { type Audit, auditShop } from './shop/books.ts';
import type { ShopReport } from './shop/main.ts';
import { type Shop, startShop } from './shop-process.ts';
import { type Side, startSide } from './side.ts';
import { startMachines } from './tokens/machines.ts';
import { auditMemory, type MemoryAudit } from './tokens/memory.ts';

/** So many orders are sold before the picture is taken. */
const ORDERS_FIRST = 200;
const SELLING_MS = 30_000;

export interface DemoResult {
  readonly engine: EngineName;
  readonly engineTitle: string;
  readonly applied: Applied;
  readonly snapshot: SealedSnapshot;
  /** Of the shop while it was photographed and restored. */
  readonly shop: ShopReport;
  /** Of the twin's books. */
  readonly audit: Audit;
  readonly secondPlanEmpty: boolean | null;
  /** Of what was in a process's memory; or why there was no such process. */
  readonly memory: MemoryAudit | { readonly reason: string };
}

/** The two sides, to be looked at by whoever runs the demo. */
export interface DemoSides {
  readonly shop: Side;
  readonly twin: Side;
}

/**
 * Starts two sides and a shop on the first, applies the example, audits the second, and hands all that to `show` while
 * both sides are still up. Everything that was started has ended when this returns or throws.
 */
export async function runDemo(
  options: DemoOptions,
  folder: string,
  signal: AbortSignal,
  show: (result: DemoResult, sides: DemoSides) => Promise<void>,
): Promise<void> {
  const engineFor = await chooseEngine(options.engine);
  signal.throwIfAborted();
  await using scope = new AsyncDisposableStack();
  say('starting a Postgres and a Redis for the shop, and another pair for its twin');
  const [shopSide, twinSide] = await startSides(scope, folder);
  signal.throwIfAborted();
  const machines = options.lab ? await startMachines(signal) : { reason: '--no-lab was given' };
  if ('reason' in machines) say(`without a process that has something in its memory: ${machines.reason}`);
  const tokens = 'reason' in machines ? undefined : scope.use(machines);
  say('opening the shop: orders in Postgres, carts in Redis, receipts in a folder');
  const shop = scope.use(await startShop(shopSide.stores, tokens?.url));
  await untilSold(shop, ORDERS_FIRST, signal);
  const engine = await engineFor({ folder, shop: shopSide.stores, twin: twinSide.stores, lab: tokens?.lab });
  const before = await shop.report();
  say(`${engine.title}: photographing the shop while it sells, and bringing it to life elsewhere`);
  const applied = await engine.apply(signal);
  const report = await shop.report();
  const secondPlanEmpty = await engine.secondPlanEmpty(signal);
  const audit = await auditShop(twinSide.stores);
  const memory = 'reason' in machines ? machines : await auditMemory(machines, before.tokens, audit);
  const result: DemoResult = {
    engine: engine.name,
    engineTitle: engine.title,
    applied,
    snapshot: await readSnapshot(folder, applied.reference, signal),
    shop: report,
    audit,
    secondPlanEmpty,
    memory,
  };
  await show(result, { shop: shopSide, twin: twinSide });
}

/** Both or none: a side whose partner does not start is ended as well. */
async function startSides(scope: AsyncDisposableStack, folder: string): Promise<readonly [Side, Side]> {
  const started = await Promise.allSettled([startSide('shop', folder), startSide('twin', folder)]);
  for (const one of started) if (one.status === 'fulfilled') scope.use(one.value);
  const [shop, twin] = started;
  if (shop.status === 'rejected') throw shop.reason;
  if (twin.status === 'rejected') throw twin.reason;
  return [shop.value, twin.value];
}

async function untilSold(shop: Shop, orders: number, signal: AbortSignal): Promise<void> {
  const deadlineMs = Date.now() + SELLING_MS;
  while ((await shop.report()).orders < orders) {
    if (Date.now() > deadlineMs)
      throw new Error(`the shop did not sell ${orders} orders in ${SELLING_MS} ms`);
    await sleep(100, undefined, { signal });
  }
}
