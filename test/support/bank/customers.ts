import { setTimeout as sleep } from 'node:timers/promises';
import { connectLedger, type Ledger, readBooks } from './ledgers.ts';
import { effectOf, type Move, moveOf, WORKERS } from './moves.ts';

/**
 * Workers of a bank that go with it when it moves: one whose write is refused, or is never answered, waits until it is
 * told where the stores are from now on, looks there whether the write was done, and does it if not. So what was
 * acknowledged, what was tried and what was done are known to the unit on both sides of a move.
 */
export class Customers {
  /** The newest move that each store has acknowledged, by worker. */
  readonly acknowledged: readonly number[][];
  /** The newest move that each store was asked for, by worker. */
  readonly tried: readonly number[][];
  private urls: readonly string[];
  private waiting = 0;
  private readonly ending = new AbortController();
  private readonly moved = Promise.withResolvers<void>();
  private readonly work: Promise<unknown>;

  /** @param urls of stores whose ledgers are open */
  constructor(urls: readonly string[]) {
    this.urls = urls;
    const none = (): number[][] => urls.map(() => Array.from({ length: WORKERS }, () => 0));
    this.acknowledged = none();
    this.tried = none();
    this.work = Promise.all(Array.from({ length: WORKERS }, (_, worker) => this.run(worker)));
    this.work.catch(() => this.ending.abort());
  }

  /** Moves that all stores have acknowledged. */
  get moves(): number {
    return this.acknowledged[0]!.reduce(
      (sum, _, worker) => sum + Math.min(...this.acknowledged.map((numbers) => numbers[worker]!)),
      0,
    );
  }

  /** How many workers wait for the bank to move. */
  get refused(): number {
    return this.waiting;
  }

  moveTo(urls: readonly string[]): void {
    this.urls = urls;
    this.moved.resolve();
  }

  /** Ends after the moves under way; whoever waits has to have been told where to go on. */
  async stop(): Promise<void> {
    this.ending.abort();
    await this.work;
  }

  private async run(worker: number): Promise<void> {
    let open = await this.connect();
    try {
      for (let number = 1; !this.ending.signal.aborted; number += 1) {
        const move = moveOf(worker, number, this.urls.length);
        for (const store of move.order) {
          this.tried[store]![worker] = number;
          try {
            await this.write(open[store]!, worker, number, move, store);
          } catch {
            open = await this.followTo(open);
            const { workers } = await readBooks(this.urls[store]!);
            if ((workers[worker]?.number ?? 0) < number)
              await this.write(open[store]!, worker, number, move, store);
          }
          this.acknowledged[store]![worker] = number;
        }
        await sleep(2);
      }
    } finally {
      await close(open);
    }
  }

  private write(ledger: Ledger, worker: number, number: number, move: Move, store: number): Promise<void> {
    const seen = this.acknowledged.map((numbers) => [...numbers]);
    return ledger.write({ worker, number, account: move.account, amount: effectOf(move, store), seen });
  }

  private async followTo(before: readonly Ledger[]): Promise<Ledger[]> {
    await close(before);
    this.waiting += 1;
    await this.moved.promise;
    this.waiting -= 1;
    return this.connect();
  }

  private connect(): Promise<Ledger[]> {
    return Promise.all(this.urls.map(connectLedger));
  }
}

/** The server may have cut the connection before. */
async function close(ledgers: readonly Ledger[]): Promise<void> {
  await Promise.allSettled(ledgers.map((ledger) => ledger[Symbol.asyncDispose]()));
}
