import { randomBytes } from 'node:crypto';
import { StasisError } from '../../../core/errors.ts';
import type { Host, Spawned } from '../../../core/host.ts';
import { type Clients, clientEnvironment } from './clients.ts';
import { faultOf } from './faults.ts';
import type { Place } from './place.ts';
import { PIN_SETTINGS, TOLERANT_SETTINGS } from './settings.ts';
import type { Row } from './sql.ts';
import { Watched } from './watched.ts';

type Bytes = AsyncIterable<Uint8Array>;

/** How long psql may take to end once its input has ended, before it is killed. */
const END_MS = 3_000;
const DONE = '00000';
/** Encodings that the server converts to no other: statements and rows go as the bytes that they are. */
const WITHOUT_CONVERSION = ['SQL_ASCII', 'MULE_INTERNAL'];

/**
 * One `psql` on the member's host that is told statements one by one, so that a transaction can stay open between
 * them: it takes its locks first, reads in a snapshot that is exported later, and streams what it reads.
 *
 * It speaks UTF-8 with the server, whatever the database's encoding, so that our statements and its rows fit.
 * After each statement it prints a line that nobody else can know, with the statement's SQLSTATE.
 */
export class PsqlSession implements AsyncDisposable {
  /** Of its server process. */
  pid = 0;
  private encoding = 'UTF8';
  private readonly spawned: Spawned;
  private readonly input: Inbox;
  private readonly output: AsyncIterator<Uint8Array>;
  private readonly mark = `stasis-${randomBytes(16).toString('hex')}`;
  private rest: Buffer = Buffer.alloc(0);
  private ended = false;

  private constructor(spawned: Spawned, input: Inbox) {
    this.spawned = spawned;
    this.input = input;
    this.output = spawned.stdout[Symbol.asyncIterator]();
  }

  static async open(
    clients: Clients,
    host: Host,
    place: Place,
    options: { readonly database: string; readonly signal: AbortSignal },
  ): Promise<PsqlSession> {
    const input = new Inbox();
    const spawned = await host.spawn([clients.psql, '-X', '-q', '-A', '-t', '--no-password'], {
      signal: options.signal,
      env: clientEnvironment(place, options.database),
      stdin: input,
    });
    const session = new PsqlSession(spawned, input);
    try {
      await session.rows(PIN_SETTINGS);
      await session.tryTo(TOLERANT_SETTINGS);
      const [row] = await session.rows(
        "SELECT pg_catalog.pg_backend_pid() AS pid, pg_catalog.current_setting('server_encoding') AS encoding",
      );
      session.pid = Number(row?.pid);
      const encoding = String(row?.encoding);
      session.encoding = WITHOUT_CONVERSION.includes(encoding) ? encoding : 'UTF8';
      await session.run(`SET client_encoding = '${session.encoding}'`);
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  /** Runs one statement; what it prints is left out. @throws StasisError with `details.sqlState` */
  async run(sql: string, doing = 'a statement of ours'): Promise<void> {
    for await (const _ of this.stream(sql, doing));
  }

  /** Runs one statement. Returns its SQLSTATE and never throws for what the server answers. */
  async tryTo(sql: string): Promise<string> {
    this.ask(sql);
    let state = '';
    for await (const _ of this.untilMark((told) => {
      state = told;
    }));
    return state;
  }

  /** What one statement prints: COPY … TO STDOUT, or a query of one column. */
  async *stream(sql: string, doing: string): AsyncGenerator<Uint8Array> {
    this.ask(sql);
    yield* this.answer(doing);
  }

  /** The rows of a query, by way of JSON. */
  async rows(sql: string, doing = 'a query of ours'): Promise<Row[]> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.stream(`SELECT pg_catalog.row_to_json(q) FROM (${sql}) AS q`, doing))
      chunks.push(chunk);
    const lines = Buffer.concat(chunks).toString('utf8').split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Row);
  }

  /** Runs `COPY … FROM stdin` with this content, in COPY's text format. */
  async load(copy: string, content: Bytes, doing: string): Promise<void> {
    this.input.push(Buffer.from(`${copy};\n`));
    this.input.push(content);
    this.input.push(Buffer.from('\\.\n'));
    this.askForState();
    for await (const _ of this.answer(doing));
  }

  /** Runs a script, which may hold several statements and COPY content. Stops, and ends psql, at the first error. */
  async script(content: Bytes, doing: string): Promise<void> {
    this.input.push(Buffer.from('\\set ON_ERROR_STOP on\n'));
    this.input.push(content);
    // A dump's script sets the encoding that it is written in.
    this.input.push(Buffer.from(`\n\\set ON_ERROR_STOP off\nSET client_encoding = '${this.encoding}';\n`));
    this.askForState();
    for await (const _ of this.answer(doing));
  }

  /** Ends psql. An open transaction is rolled back. Idempotent. */
  async close(): Promise<void> {
    this.input.end();
    if (this.ended) return;
    this.ended = true;
    const timer = setTimeout(() => this.spawned.kill(), END_MS);
    // What it still prints would keep it from ending.
    const drain = async (): Promise<void> => {
      while (!(await this.output.next()).done);
    };
    await drain().catch(() => {});
    await this.spawned.ended.catch(() => undefined);
    clearTimeout(timer);
  }

  /** Ends psql at once. */
  async abort(): Promise<void> {
    this.spawned.kill();
    await this.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.abort();
  }

  private ask(sql: string): void {
    this.input.push(Buffer.from(`${sql};\n`));
    this.askForState();
  }

  private askForState(): void {
    this.input.push(Buffer.from(`\\echo ${this.mark} :SQLSTATE\n`));
  }

  private async *answer(doing: string): AsyncGenerator<Uint8Array> {
    let state = '';
    yield* this.untilMark((told) => {
      state = told;
    });
    if (state !== DONE) throw faultOf(state, await this.lastMessage(), doing);
  }

  private async lastMessage(): Promise<string> {
    this.input.push(Buffer.from('\\echo :LAST_ERROR_MESSAGE\n'));
    this.askForState();
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.untilMark(() => {})) chunks.push(chunk);
    return Buffer.concat(chunks).toString('utf8').trim();
  }

  /** Yields what comes before the line with the mark, and tells the state that the line holds. */
  private async *untilMark(tell: (state: string) => void): AsyncGenerator<Uint8Array> {
    for (;;) {
      const at = this.rest.indexOf(this.mark);
      const lineEnd = at < 0 ? -1 : this.rest.indexOf(10, at);
      if (lineEnd >= 0) {
        if (at > 0) yield this.rest.subarray(0, at);
        tell(this.rest.subarray(at + this.mark.length + 1, lineEnd).toString());
        this.rest = this.rest.subarray(lineEnd + 1);
        return;
      }
      // All but what may be the beginning of the mark's line can go on its way.
      const safe = at < 0 ? this.rest.length - this.mark.length : at;
      if (safe > 0) {
        yield this.rest.subarray(0, safe);
        this.rest = this.rest.subarray(safe);
      }
      this.rest = Buffer.concat([this.rest, await this.more()]);
    }
  }

  private async more(): Promise<Uint8Array> {
    const { value, done } = await this.output.next();
    if (!done) return value;
    this.ended = true;
    this.input.end();
    const result = await this.spawned.ended;
    this.input.check();
    throw endedEarly(result);
  }
}

/** psql ends by itself when its session is gone (2), a script failed (3), or it could not log in (2). */
function endedEarly(result: { readonly status: number; readonly stderr: string }): StasisError {
  const lines = result.stderr.trim().split('\n');
  // What comes before it was said of statements that may fail.
  const error = lines.findLast((line) => /ERROR|FATAL|PANIC|error:/.test(line)) ?? lines.at(-1) ?? '';
  const said = error.replace(/^psql:(?:<stdin>:\d+:)? */, '').replace(/^error: /, '');
  if (result.status === 3)
    return new StasisError('postgres.load-failed', `Postgres refused a statement of the dump: ${said}.`);
  return new StasisError(
    'postgres.connection-lost',
    `psql lost its connection to the server${said === '' ? '' : `: ${said}`}.`,
    { hint: 'Check that the server runs, and that nothing ends our sessions.' },
  );
}

/** What psql is told: pieces and streams, one after the other, each asked for only when psql has taken the last. */
class Inbox implements AsyncIterable<Uint8Array> {
  private readonly waiting: (Uint8Array | Watched)[] = [];
  private current: Watched | undefined;
  private wake: () => void = () => {};
  private over = false;

  push(content: Uint8Array | Bytes): void {
    this.waiting.push(content instanceof Uint8Array ? content : new Watched(content));
    this.wake();
  }

  end(): void {
    this.over = true;
    this.wake();
  }

  /** @throws what a stream that was pushed threw: psql has taken that for the end of its input. */
  check(): void {
    this.current?.check();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const next = this.waiting.shift();
      if (next instanceof Uint8Array) yield next;
      else if (next !== undefined) {
        this.current = next;
        yield* next;
      } else if (this.over) return;
      else
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
    }
  }
}
