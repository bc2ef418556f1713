import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { StoreBooks } from './books.ts';
import type { Ledger } from './ledgers.ts';
import { ACCOUNTS, FIRST_BALANCE, WORKERS } from './moves.ts';

const CONNECT_MS = 10_000;

/**
 * The ledger that a VM's guest keeps on its disk, spoken to by its serial port: `vm://ADDRESS:PORT`. QEMU serves one
 * client there, so that all of this process share one line.
 */
export function connectVm(url: string): Ledger {
  const line = lineTo(url);
  return {
    async open() {
      await line.ask(`open ${ACCOUNTS} ${FIRST_BALANCE} ${WORKERS}`, 'opened');
    },
    async write({ worker, number, account, amount, seen }) {
      const request = `write ${worker} ${number} ${account} ${amount} ${JSON.stringify(seen)}`;
      await line.ask(request, `written ${worker} ${number}`);
    },
    async read() {
      return JSON.parse((await line.ask('read', 'books')).slice('books '.length)) as StoreBooks;
    },
    [Symbol.asyncDispose]: async () => line.leave(),
  };
}

const lines = new Map<string, Line>();

function lineTo(url: string): Line {
  const known = lines.get(url);
  const line = known === undefined || known.ended ? new Line(new URL(url)) : known;
  lines.set(url, line);
  return line.join();
}

/** Answers come in the order in which one worker asks, and each worker waits for words that only it is told. */
class Line {
  private readonly socket: Socket;
  private readonly waiting = new Map<string, PromiseWithResolvers<string>>();
  private users = 0;
  private failure = new Error('the line to the VM was closed');
  ended = false;

  constructor({ hostname, port }: URL) {
    this.socket = connect({ host: hostname, port: Number(port), noDelay: true, timeout: CONNECT_MS });
    this.socket.once('connect', () => this.socket.setTimeout(0));
    this.socket.on('timeout', () => this.end(new Error('the VM is not reached')));
    this.socket.on('error', (error) => this.end(error));
    this.socket.on('close', () => this.end(this.failure));
    createInterface({ input: this.socket }).on('line', (answer) => this.answered(answer));
  }

  join(): this {
    this.users += 1;
    return this;
  }

  /** The last to leave closes it. */
  leave(): void {
    this.users -= 1;
    if (this.users === 0) this.end(this.failure);
  }

  /** @param words that the answer begins with */
  async ask(request: string, words: string): Promise<string> {
    while (this.waiting.has(words)) await this.waiting.get(words)!.promise;
    if (this.ended) throw this.failure;
    const answer = Promise.withResolvers<string>();
    this.waiting.set(words, answer);
    this.socket.write(`${request}\n`);
    return answer.promise;
  }

  private answered(text: string): void {
    const found = [...this.waiting].find(([words]) => text === words || text.startsWith(`${words} `));
    if (found === undefined) {
      this.end(new Error(`the guest says: ${text.slice(0, 200)}`));
      return;
    }
    this.waiting.delete(found[0]);
    found[1].resolve(text);
  }

  private end(error: Error): void {
    this.ended = true;
    this.failure = error;
    for (const answer of this.waiting.values()) answer.reject(error);
    this.waiting.clear();
    this.socket.destroy();
  }
}
