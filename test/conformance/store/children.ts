import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Task } from './child.ts';

/** A child of ours that runs a task of child.ts. */
export class StoreChild implements AsyncDisposable {
  readonly lines: string[] = [];
  readonly #process: ChildProcess;
  readonly #waiting: { readonly line: string; readonly resolve: () => void }[] = [];
  readonly #ended: Promise<unknown>;
  #errors = '';

  constructor(task: Task) {
    const file = join(import.meta.dirname, 'child.ts');
    this.#process = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', file], {
      env: { ...process.env, STASIS_TEST_TASK: JSON.stringify(task) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#ended = once(this.#process, 'close');
    this.#process.stderr!.on('data', (text) => {
      this.#errors += text;
    });
    createInterface({ input: this.#process.stdout! }).on('line', (line) => {
      this.lines.push(line);
      for (const waiter of this.#waiting) if (line.startsWith(waiter.line)) waiter.resolve();
    });
  }

  get pid(): number {
    return this.#process.pid!;
  }

  /** Until it has printed a line that begins so. @throws when it ends before */
  async says(line: string): Promise<void> {
    if (this.lines.some((known) => known.startsWith(line))) return;
    const said = new Promise<void>((resolve) => this.#waiting.push({ line, resolve }));
    const ended = this.#ended.then(() => {
      throw new Error(`the child ended before it said "${line}": ${this.#errors}`);
    });
    await Promise.race([said, ended]);
  }

  /** kill -9, and waits until it is gone. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}
