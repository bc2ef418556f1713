import { readFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import type pg from 'pg';
import { StasisError } from '../../../core/errors.ts';
import { within } from '../../../core/wait.ts';
import { CONNECTING, faultOfThrown } from './faults.ts';
import type { Place } from './place.ts';
import { PIN_SETTINGS, TOLERANT_SETTINGS } from './settings.ts';
import type { Row } from './sql.ts';

/** Catalog queries and statements that do not touch rows end within this, or something is wrong. */
const STATEMENT_MS = 120_000;
/** An orderly goodbye; after it the socket is cut. */
const CLOSE_MS = 2_000;

export interface ConnectOptions {
  readonly signal: AbortSignal;
  /** Another database than the place's. */
  readonly database?: string;
  /** As whom the server shows the session; `stasis` unless given. */
  readonly name?: string;
}

/** One session with a server. Its settings are pinned, so that values and definitions read the same everywhere. */
export class Connection implements AsyncDisposable {
  readonly place: Place;
  readonly database: string;
  private readonly client: pg.Client;
  private failure: Error | undefined;

  private constructor(client: pg.Client, place: Place, database: string) {
    this.client = client;
    this.place = place;
    this.database = database;
    client.on('error', (error) => {
      this.failure ??= error;
    });
  }

  /** @throws StasisError `postgres.unreachable`, `postgres.password`, `postgres.no-database`, `postgres.tls`, … */
  static async open(place: Place, options: ConnectOptions): Promise<Connection> {
    const database = options.database ?? place.database;
    const client = await firstThatConnects(place, database, options);
    const connection = new Connection(client, place, database);
    try {
      await connection.rows(PIN_SETTINGS, options.signal);
      await connection.rows(TOLERANT_SETTINGS, options.signal);
      return connection;
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  /** The rows of the last statement. When it is aborted or too slow, the session ends with it. */
  async rows(sql: string, signal?: AbortSignal, timeoutMs = STATEMENT_MS): Promise<Row[]> {
    try {
      return await within(timeoutMs, 'a query of ours', signal, (inner) => this.ask(sql, inner));
    } catch (error) {
      throw faultOfThrown(this.failure ?? error, this.place, 'a query of ours');
    }
  }

  /** The rows of one statement, by the protocol that takes no more than one; each value as the server writes it. */
  async table(sql: string, signal?: AbortSignal, timeoutMs = STATEMENT_MS): Promise<(string | null)[][]> {
    const query: pg.QueryArrayConfig & { readonly queryMode: string } = {
      text: sql,
      rowMode: 'array',
      queryMode: 'extended',
      types: { getTypeParser: () => (value: string) => value },
    };
    const doing = 'a query of the user';
    try {
      return await within(timeoutMs, doing, signal, async (inner) => {
        const { rows } = await this.cutWith(inner, () => this.client.query<(string | null)[]>(query));
        return rows;
      });
    } catch (error) {
      throw faultOfThrown(this.failure ?? error, this.place, doing);
    }
  }

  /** One statement, by the same protocol, read to its end; what it answers is kept nowhere, however long it is. */
  async readThrough(sql: string, signal: AbortSignal, timeoutMs = STATEMENT_MS): Promise<void> {
    const { default: library } = await import('pg');
    const config: pg.QueryConfig & { readonly queryMode: string } = { text: sql, queryMode: 'extended' };
    const doing = 'a query of the user';
    try {
      await within(timeoutMs, doing, signal, (inner) =>
        this.cutWith(
          inner,
          () =>
            new Promise<void>((resolve, reject) => {
              const query = new library.Query(config);
              query.on('row', () => {});
              query.on('end', () => resolve());
              query.on('error', reject);
              this.client.query(query);
            }),
        ),
      );
    } catch (error) {
      throw faultOfThrown(this.failure ?? error, this.place, doing);
    }
  }

  private ask(sql: string, signal: AbortSignal): Promise<Row[]> {
    return this.cutWith(signal, async () => {
      const result: pg.QueryResult | pg.QueryResult[] = await this.client.query(sql);
      return Array.isArray(result) ? (result.at(-1)?.rows ?? []) : result.rows;
    });
  }

  private async cutWith<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const cut = (): void => this.cut();
    signal.addEventListener('abort', cut, { once: true });
    try {
      return await work();
    } finally {
      signal.removeEventListener('abort', cut);
    }
  }

  /** One row that must be there. */
  async row(sql: string, signal?: AbortSignal): Promise<Row> {
    const [row] = await this.rows(sql, signal);
    if (row === undefined)
      throw new StasisError('postgres.failed', 'Postgres gave no row where one must be.');
    return row;
  }

  async close(): Promise<void> {
    await within(CLOSE_MS, 'closing a connection', undefined, () => this.client.end()).catch(() =>
      this.cut(),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Ends the session without a word; the server rolls its transaction back. */
  private cut(): void {
    this.failure ??= new Error('the session was ended');
    cutOff(this.client);
  }
}

/** An orderly `end` would wait for a server that does not answer. */
function cutOff(client: pg.Client): void {
  const { connection } = client as unknown as { connection: { stream: { destroy(): void } } };
  connection.stream.destroy();
}

/** Tries the ways of connecting that `sslmode` allows, in libpq's order. */
async function firstThatConnects(
  place: Place,
  database: string,
  { signal, name = 'stasis' }: ConnectOptions,
): Promise<pg.Client> {
  // Most runs of a plugin contact no server: the client is loaded with the first connection.
  const { default: library } = await import('pg');
  const ways = await waysOf(place);
  const stream = await streamTo(place, signal);
  for (const [index, ssl] of ways.entries()) {
    const client = new library.Client({
      host: place.host,
      port: place.port,
      stream,
      user: place.user,
      // As a function, or `pg` would take an empty one from PGPASSWORD.
      password: () => place.password,
      database,
      ssl,
      options: place.options,
      application_name: name,
      keepAlive: true,
      connectionTimeoutMillis: place.connectTimeoutMs,
    });
    // Until it is a Connection, an error that comes between events must not end the process.
    client.on('error', () => {});
    try {
      await within(place.connectTimeoutMs + 1_000, 'connecting', signal, () => client.connect());
      return client;
    } catch (error) {
      cutOff(client);
      if (index + 1 < ways.length && isRefusedWay(error)) continue;
      throw faultOfThrown(error, place, CONNECTING);
    }
  }
  throw new RangeError('an sslmode without a way to connect');
}

/** A server that is seen from another machine is connected to by way of it, whatever `pg` takes for its address. */
async function streamTo(place: Place, signal: AbortSignal): Promise<(() => Duplex) | undefined> {
  const { host, port, reach } = place;
  if (reach === undefined) return undefined;
  const { path } = host.startsWith('/')
    ? await reach(`${host}/.s.PGSQL.${port}`, undefined, { signal })
    : await reach(host, port, { signal });
  return () => {
    const socket = new Socket();
    const connect = socket.connect.bind(socket);
    socket.connect = () => connect({ path });
    return socket;
  };
}

/** The server does not do TLS at all, or insists on it: then `prefer` and `allow` go the other way. */
function isRefusedWay(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return Reflect.get(error, 'code') === '28000' || /does not support SSL/.test(error.message);
}

async function waysOf(place: Place): Promise<(ConnectionOptions | false)[]> {
  if (place.host.startsWith('/') || place.sslMode === 'disable') return [false];
  const tls = await tlsOf(place);
  if (place.sslMode === 'allow') return [false, tls];
  if (place.sslMode === 'prefer') return [tls, false];
  return [tls];
}

/**
 * What each `sslmode` checks (https://www.postgresql.org/docs/current/libpq-ssl.html): `require` with a root
 * certificate is `verify-ca`; only `verify-full` looks at the host's name.
 */
async function tlsOf(place: Place): Promise<ConnectionOptions> {
  const { sslMode, sslRootCert } = place;
  const ownRoots = sslRootCert !== undefined && sslRootCert !== 'system';
  const verified = sslMode.startsWith('verify') || (sslMode === 'require' && sslRootCert !== undefined);
  const files = await Promise.all(
    [ownRoots ? sslRootCert : undefined, place.sslCert, place.sslKey].map(async (path) =>
      path === undefined ? undefined : await readPem(path),
    ),
  );
  const [ca, cert, key] = files;
  return {
    ca,
    cert,
    key,
    rejectUnauthorized: verified,
    servername: /^[\d.]+$|:/.test(place.host) ? undefined : place.host,
    ...(verified && sslMode !== 'verify-full' ? { checkServerIdentity: () => undefined } : {}),
  };
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new StasisError('postgres.tls', `The file ${path} named by the URL cannot be read.`, { cause });
  }
}
