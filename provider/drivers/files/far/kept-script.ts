import { randomUUID } from 'node:crypto';
import type { Host, Spawned } from '../../../core/host.ts';
import { Pushed } from '../../../core/pushed.ts';
import { within } from '../../../core/wait.ts';
import { failed, LOOK_MS, PART, type Part, partsIn } from './commands.ts';
import { Wire, WireEnded } from './wire.ts';

/** SCRIPT is run for each line of the input; its end is told by a mark of its own. */
const LOOP = (mark: string, script: string): string => `
${PART(mark)}
while read -r order; do
(
${script}
) < /dev/null
part end
done
`;

/**
 * A script of ours that stays on the host and runs once for each order. So it costs no new session and no shell's
 * start: what is looked at again and again is looked at sooner. It ends with its input, or with the connection.
 */
export class KeptScript {
  private readonly host: Host;
  private readonly mark: string;
  private readonly orders: Pushed;
  private readonly spawned: Spawned;
  private readonly wire: Wire;
  private isBusy = false;
  private isOver = false;

  private constructor(host: Host, mark: string, orders: Pushed, spawned: Spawned) {
    this.host = host;
    this.mark = mark;
    this.orders = orders;
    this.spawned = spawned;
    this.wire = new Wire(spawned.stdout, new AbortController().signal);
    // Whoever asks is told by the end of what it prints.
    spawned.ended.catch(() => {});
  }

  static async start(host: Host, script: string, args: readonly string[]): Promise<KeptScript> {
    const mark = randomUUID();
    const orders = new Pushed();
    const spawned = await host.spawn(['sh', '-c', LOOP(mark, script), 'stasis', ...args], {
      // Whoever cancels one look may want another one; `end` ends it.
      signal: new AbortController().signal,
      stdin: orders,
    });
    return new KeptScript(host, mark, orders, spawned);
  }

  /** Whether it can be asked: one that was given up in the middle of an answer cannot. */
  get isUsable(): boolean {
    return !this.isOver;
  }

  /** Runs it once. One at a time. */
  async ask(signal: AbortSignal): Promise<Part> {
    this.isBusy = true;
    this.orders.push('\n');
    const end = Buffer.from(`\n${this.mark} end\n`);
    try {
      const printed = await within(LOOK_MS, 'a look at files', signal, () => this.wire.until(end));
      this.isBusy = false;
      return partsIn(this.host, printed, this.mark, '');
    } catch (error) {
      this.end();
      if (error instanceof WireEnded) throw failed(this.host, (await this.spawned.ended).stderr);
      throw error;
    }
  }

  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.orders.end();
    // What waits for an order ends with its input.
    if (this.isBusy) this.spawned.kill();
    this.wire.close();
  }
}
