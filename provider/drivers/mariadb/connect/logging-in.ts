import { readFile } from 'node:fs/promises';
import mysql, { type Connection as Client, type ConnectionOptions, type SslOptions } from 'mysql2';
import { StasisError } from '../../../core/errors.ts';
import { within } from '../../../core/wait.ts';
import { CONNECTING, faultOfThrown } from './faults.ts';
import type { Place } from './place.ts';

/**
 * `catalog` for names and definitions, in UTF-8. `rows` for content: everything is sent and received as the bytes that
 * are stored, whatever their character set. `load` likewise; what it is told comes from a snapshot, so that it takes
 * one statement at a time only.
 */
export type Purpose = 'catalog' | 'rows' | 'load';

/** Servers that said they do no TLS, so that they are not asked again for each session. */
const WITHOUT_TLS = new WeakSet<Place>();

function isWithoutTls(error: unknown): boolean {
  return error instanceof Error && Reflect.get(error, 'code') === 'HANDSHAKE_NO_SSL_SUPPORT';
}

/**
 * Tries the ways of connecting that `ssl-mode` allows.
 * @throws StasisError `mariadb.unreachable`, `mariadb.password`, `mariadb.tls`, …
 */
export async function firstThatConnects(
  place: Place,
  purpose: Purpose,
  signal: AbortSignal,
): Promise<Client> {
  const tls = place.sslMode === 'disabled' ? undefined : await tlsOf(place);
  // A server that is seen from another machine is connected to by way of it; its name stays what the URL says.
  const socketPath = (await place.reach?.(place.host, place.port, { signal }))?.path;
  const preferred = WITHOUT_TLS.has(place) ? [undefined] : [tls, undefined];
  const ways = tls === undefined ? [undefined] : place.sslMode === 'preferred' ? preferred : [tls];
  for (const [index, ssl] of ways.entries()) {
    const client = mysql.createConnection({ ...optionsOf(place, purpose, ssl), socketPath });
    // Until it is a Connection, an error that comes between events must not end the process.
    client.on('error', () => {});
    try {
      await within(place.connectTimeoutMs + 1_000, 'connecting', signal, () => connected(client));
      return client;
    } catch (error) {
      client.destroy();
      if (index + 1 < ways.length && isWithoutTls(error)) {
        WITHOUT_TLS.add(place);
        continue;
      }
      throw faultOfThrown(error, place, CONNECTING);
    }
  }
  throw new RangeError('an ssl-mode without a way to connect');
}

function connected(client: Client): Promise<void> {
  return new Promise((resolve, reject) => {
    client.connect((error) => (error ? reject(error) : resolve()));
  });
}

function optionsOf(place: Place, purpose: Purpose, ssl: SslOptions | undefined): ConnectionOptions {
  return {
    host: place.host,
    port: place.port,
    user: place.user,
    password: place.password,
    charset: purpose === 'catalog' ? 'UTF8MB4_GENERAL_CI' : 'BINARY',
    ssl,
    connectTimeout: place.connectTimeoutMs,
    // The library takes a Unix socket for safe. Ours leads to another machine, and over its network on to the server.
    authPlugins: {
      caching_sha2_password: mysql.authPlugins.caching_sha2_password({ overrideIsSecure: ssl !== undefined }),
    },
    supportBigNumbers: true,
    bigNumberStrings: true,
    dateStrings: true,
    multipleStatements: purpose !== 'load',
    // The server telling of a session's character set, the library would encode statements by it that are bytes already.
    flags: ['-LOCAL_FILES', '-CONNECT_ATTRS', '-SESSION_TRACK'],
  };
}

async function tlsOf(place: Place): Promise<SslOptions> {
  const files = [place.sslCa, place.sslCert, place.sslKey];
  const [ca, cert, key] = await Promise.all(
    files.map((path) => (path === undefined ? undefined : readPem(path))),
  );
  return {
    ca,
    cert,
    key,
    rejectUnauthorized: place.sslMode.startsWith('verify'),
    verifyIdentity: place.sslMode === 'verify_identity',
  };
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new StasisError('mariadb.tls', `The file ${path} named by the URL cannot be read.`, { cause });
  }
}
