import type { Connection as Client } from 'mysql2';
import { StasisError, throwIfAborted } from '../../../core/errors.ts';
import { within } from '../../../core/wait.ts';
import { type Product, productOf } from '../product/product.ts';
import { faultOfThrown } from './faults.ts';
import { firstThatConnects, type Purpose } from './logging-in.ts';
import type { Place } from './place.ts';
import { type Row, text } from './sql.ts';

/** Statements that do not touch rows end within this, or something is wrong. */
const STATEMENT_MS = 120_000;
/** One batch of rows on a busy disk. */
const LOAD_MS = 600_000;
/** An orderly goodbye; after it the socket is cut. */
const CLOSE_MS = 2_000;
/** Heard nothing of us for this long, a server ends our session, and with it go its locks: the machine may be gone. */
const LEASE_MS = 60_000;
/** So often within its lease a session that has nothing to do says that we are there. */
const BEATS = 4;
/** Rows that a stream holds ready; past it, the server waits. */
const ROWS_AHEAD = 256;

export interface ConnectOptions {
  readonly signal: AbortSignal;
  readonly purpose?: Purpose;
  /** Whole seconds; a minute unless said. */
  readonly leaseMs?: number;
}

/** What kind of server is where: it is asked once. */
const PRODUCTS = new WeakMap<Place, Product>();

/** One session with a server. */
export class Connection implements AsyncDisposable {
  readonly place: Place;
  readonly purpose: Purpose;
  /** The server's number of the session. */
  readonly id: number;
  private readonly client: Client;
  private failure: Error | undefined;
  private refuse: (error: Error) => void = () => {};
  private kind: Product | undefined;
  private readonly heart: NodeJS.Timeout;
  private beating = false;

  private constructor(client: Client, place: Place, purpose: Purpose, leaseMs: number) {
    this.client = client;
    this.place = place;
    this.purpose = purpose;
    this.heart = setInterval(() => this.beat(), leaseMs / BEATS).unref();
    this.id = client.threadId ?? 0;
    client.on('error', (error) => {
      this.failure ??= error;
      // The client library tells a lost connection to us, but not to whoever streams rows.
      this.refuse(error);
    });
  }

  /** @throws StasisError `mariadb.unreachable`, `mariadb.password`, `mariadb.tls`, … */
  static async open(place: Place, options: ConnectOptions): Promise<Connection> {
    const purpose = options.purpose ?? 'catalog';
    const client = await firstThatConnects(place, purpose, options.signal);
    const leaseMs = options.leaseMs ?? LEASE_MS;
    const connection = new Connection(client, place, purpose, leaseMs);
    try {
      connection.kind = PRODUCTS.get(place) ?? (await connection.askProduct(options.signal));
      PRODUCTS.set(place, connection.kind);
      await connection.run(
        `${connection.kind.pinned}, wait_timeout = ${Math.ceil(leaseMs / 1_000)}`,
        options.signal,
      );
      return connection;
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  /** What kind of server it is. */
  get product(): Product {
    if (this.kind === undefined) throw new RangeError('not open');
    return this.kind;
  }

  private async askProduct(signal: AbortSignal): Promise<Product> {
    const row = await this.row('SELECT @@version AS version, @@version_comment AS comment', signal);
    return productOf(text(row, 'version'), text(row, 'comment'));
  }

  /** The rows of the last statement. When it is aborted or too slow, the session ends with it. */
  async rows(sql: string, signal?: AbortSignal, timeoutMs = STATEMENT_MS): Promise<Row[]> {
    return this.attempt('a query of ours', timeoutMs, signal, () => this.ask(sql));
  }

  /** One row that must be there. */
  async row(sql: string, signal?: AbortSignal): Promise<Row> {
    const [row] = await this.rows(sql, signal);
    if (row === undefined)
      throw new StasisError('mariadb.failed', 'The server gave no row where one must be.');
    return row;
  }

  /** A statement whose answer does not count. */
  async run(sql: string, signal?: AbortSignal, timeoutMs = STATEMENT_MS): Promise<void> {
    await this.rows(sql, signal, timeoutMs);
  }

  /** What each of several statements gave, in one round trip. */
  async results(sql: string, signal?: AbortSignal): Promise<Row[][]> {
    return this.attempt('a query of ours', STATEMENT_MS, signal, async () => {
      const answer = await this.askBytes(this.encoded(sql));
      return Array.isArray(answer)
        ? answer.map((each: unknown) => (Array.isArray(each) ? (each as Row[]) : []))
        : [];
    });
  }

  /** Whether the session is over. */
  get broken(): boolean {
    return this.failure !== undefined;
  }

  /** Every row as its fields' bytes; null for NULL. A reader that stops early ends the session. */
  async *stream(sql: string, doing: string, signal: AbortSignal): AsyncGenerator<readonly (Buffer | null)[]> {
    throwIfAborted(signal);
    if (this.failure) throw faultOfThrown(this.failure, this.place, doing);
    const cut = (): void => this.cut();
    signal.addEventListener('abort', cut, { once: true });
    const query = this.client.query({ sql: this.encoded(sql), rowsAsArray: true, typeCast: false });
    const rows = query.stream({ highWaterMark: ROWS_AHEAD });
    // A session that is cut answers nothing any more, and does not say so.
    this.refuse = (error) => void rows.destroy(error);
    let complete = false;
    try {
      for await (const row of rows) yield row as (Buffer | null)[];
      complete = true;
    } catch (error) {
      complete = !this.failure && isAnswer(error);
      throwIfAborted(signal);
      throw faultOfThrown(this.failure ?? error, this.place, doing);
    } finally {
      this.refuse = () => {};
      signal.removeEventListener('abort', cut);
      if (!complete) this.cut();
    }
  }

  /** Behind whatever it has to do, and once at a time. */
  private beat(): void {
    if (this.beating || this.failure) return;
    this.beating = true;
    this.client.ping(() => {
      this.beating = false;
    });
  }

  private attempt<T>(
    doing: string,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    work: () => Promise<T>,
  ): Promise<T> {
    return within(timeoutMs, doing, signal, async (inner) => {
      const cut = (): void => this.cut();
      inner.addEventListener('abort', cut, { once: true });
      try {
        return await work();
      } finally {
        inner.removeEventListener('abort', cut);
      }
    }).catch((error: unknown) => {
      throw faultOfThrown(error instanceof StasisError ? error : (this.failure ?? error), this.place, doing);
    });
  }

  /** Runs a statement that is bytes already, one a character: what `stream` gave, on its way back. */
  async runBytes(sql: string, signal: AbortSignal): Promise<void> {
    await this.attempt('loading rows', LOAD_MS, signal, () => this.askBytes(sql));
  }

  private async ask(sql: string): Promise<Row[]> {
    return rowsOf(await this.askBytes(this.encoded(sql)));
  }

  private askBytes(sql: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.failure) return reject(this.failure);
      // A session that is cut answers nothing any more.
      this.refuse = reject;
      this.client.query(sql, (error, answer) => {
        this.refuse = () => {};
        if (error) reject(error);
        else resolve(answer);
      });
    });
  }

  private encoded(sql: string): string {
    return this.purpose === 'catalog' ? sql : Buffer.from(sql, 'utf8').toString('latin1');
  }

  async close(): Promise<void> {
    if (this.failure) return this.cut();
    const end = (): Promise<void> => new Promise((resolve) => this.client.end(() => resolve()));
    await within(CLOSE_MS, 'closing a connection', undefined, end).catch(() => {});
    this.cut();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Ends the session without a word; the server rolls its transaction back. */
  cut(): void {
    this.failure ??= new Error('the session was ended');
    clearInterval(this.heart);
    this.refuse(this.failure);
    this.client.destroy();
  }
}

/** Of several statements in one, what the last one gave. */
function rowsOf(answer: unknown): Row[] {
  if (!Array.isArray(answer)) return [];
  const last: unknown = answer.at(-1);
  return Array.isArray(last) ? (last as Row[]) : (answer as Row[]).filter((row) => !isHeader(row));
}

function isHeader(row: object): boolean {
  return 'affectedRows' in row && 'insertId' in row;
}

/** Whether the server itself said no: the session goes on. */
function isAnswer(error: unknown): boolean {
  return error instanceof Error && typeof Reflect.get(error, 'sqlState') === 'string';
}
