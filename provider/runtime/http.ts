import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { isIP } from 'node:net';
import { Duplex, PassThrough, Readable } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { insistOnShortness, textOfBytes } from '../core/answer.ts';
import { StasisError, throwIfAborted } from '../core/errors.ts';
import type { Host, Spawned } from '../core/host.ts';
import { type HttpRequest, parseHeaders, parseHttpUrl } from '../core/http-request.ts';
import { ANSWER_MAX_BYTES, type Answer, type AskOptions } from '../core/probe.ts';
import { sleep, within } from '../core/wait.ts';

/**
 * ADDRESS PORT SECONDS: a connection within the namespace in which it runs, by what bash has built in, so that nothing
 * has to be installed. What is written to it goes there, and what comes is printed, until the other end has no more.
 */
const CONNECT = `
exec 4<&0 3<>"/dev/tcp/$1/$2" || exit 1
cat <&4 >&3 &
timeout "$3" cat <&3
kill $!
`;
/** What has answered closes its connection; it is given so long, as what is frozen now would have it half open. */
const END_MS = 500;
const HEADERS_FILE_MAX_BYTES = 64 * 1024;
const CA_FILE_MAX_BYTES = 1024 * 1024;

/**
 * Sends one request to what listens in a network namespace of the host, which a file there stands for, and takes one
 * answer. No redirect is followed, and no other status than the one that is asked for
 * is an answer. Headers and body reach the host by the input of a command.
 */
export async function askHttp(
  request: HttpRequest,
  host: Host,
  network: string,
  { signal, timeoutMs }: AskOptions,
): Promise<Answer> {
  const { status, body } = await within(timeoutMs, 'the answer', signal, (until) =>
    exchange(request, host, network, timeoutMs, until),
  );
  if (status === request.status) return insistOnShortness({ rows: [[textOfBytes(body)]] });
  throw new StasisError('probe.http-status', `The answer has status ${status}, and not ${request.status}.`, {
    hint: 'Say with "status" which one is right; redirects are not followed.',
  });
}

export function enterNetwork(network: string): string[] {
  return ['nsenter', `--net=${network}`, '--'];
}

interface Exchanged {
  readonly status: number;
  readonly body: Buffer;
}

async function exchange(
  request: HttpRequest,
  host: Host,
  network: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Exchanged> {
  const { address, port, path, authority, secure } = parseHttpUrl(request.url)!;
  const secret =
    request.headersFile === undefined ? {} : await readHeaders(host, request.headersFile, signal);
  const trusted = secure ? await readTrusted(host, request.caFile, signal) : undefined;
  const seconds = String(Math.ceil(timeoutMs / 1000));
  const input = new PassThrough();
  const connect = ['bash', '-c', CONNECT, 'stasis-ask', address, String(port), seconds];
  const spawned = await host.spawn([...enterNetwork(network), ...connect], {
    signal,
    stdin: input,
  });
  // TLS takes no stream of objects.
  const output = Readable.from(spawned.stdout, { objectMode: false });
  const connection = Duplex.from({ writable: input, readable: output });
  connection.on('error', () => {});
  try {
    const channel = secure
      ? withTls(connection, { host: request.serverName ?? address, ...trusted })
      : connection;
    const answer = await send(channel, request.body, {
      ...{ method: request.method, path, signal, maxHeaderSize: HEADERS_FILE_MAX_BYTES },
      headers: {
        host: authority,
        ...request.headers,
        ...secret,
        ...(request.body === undefined ? {} : { 'content-length': Buffer.byteLength(request.body) }),
        ...{ 'accept-encoding': 'identity', connection: 'close' },
      },
    });
    return { status: answer.statusCode ?? 0, body: await bodyOf(answer) };
  } catch (error) {
    throwIfAborted(signal);
    throw error instanceof StasisError ? error : await noAnswer(spawned, request, error);
  } finally {
    await ended(spawned);
    input.end();
    connection.destroy();
  }
}

/** The certificate has to be right for the host. */
function withTls(
  socket: Duplex,
  { host, ...trusted }: { readonly host: string; readonly ca?: string },
): Duplex {
  const named = isIP(host) === 0 ? { servername: host } : {};
  const channel = connectTls({ socket, host, ...named, ...trusted });
  channel.on('error', () => {});
  return channel;
}

function send(
  connection: Duplex,
  body: string | undefined,
  options: RequestOptions,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ ...options, createConnection: () => connection }, resolve);
    sent.on('error', reject);
    sent.end(body);
  });
}

async function bodyOf(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    chunks.push(chunk);
    if (sizeBytes > ANSWER_MAX_BYTES) break;
  }
  const body = Buffer.concat(chunks);
  if (sizeBytes > ANSWER_MAX_BYTES) insistOnShortness({ rows: [[body.toString('latin1')]] });
  return body;
}

/** Of a file that may hold secrets: nothing of it is in an error. */
async function readHeaders(
  host: Host,
  path: string,
  signal: AbortSignal,
): Promise<Readonly<Record<string, string>>> {
  const text = await readShort(host, path, HEADERS_FILE_MAX_BYTES, signal);
  const headers = text === undefined ? undefined : parseHeaders(text);
  if (headers !== undefined) return headers;
  throw new StasisError('probe.headers-file', `${path} on ${host.name} is no list of headers.`, {
    hint: 'Write one "Name: value" a line, up to 64 KiB.',
  });
}

async function readTrusted(
  host: Host,
  path: string | undefined,
  signal: AbortSignal,
): Promise<{ readonly ca?: string }> {
  if (path === undefined) return {};
  const ca = await readShort(host, path, CA_FILE_MAX_BYTES, signal);
  if (ca?.includes('-----BEGIN CERTIFICATE-----')) return { ca };
  throw new StasisError('probe.ca-file', `${path} on ${host.name} has no certificates.`, {
    hint: 'Name a file of certificates in PEM, up to 1 MiB.',
  });
}

/** A file's bytes as Latin-1; undefined where there are more of them. */
async function readShort(
  host: Host,
  path: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of host.read(path, { signal })) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('latin1');
}

/** By what bash or nsenter has said, or else by what became of the connection. */
async function noAnswer(spawned: Spawned, { url }: HttpRequest, error: unknown): Promise<StasisError> {
  const stderr = (await ended(spawned)) ?? '';
  const said = stderr.trim().split('\n').at(-1)?.split(': ').at(-1) ?? '';
  const why = said !== '' ? said : error instanceof Error ? error.message : String(error);
  const { origin } = new URL(url);
  return new StasisError('probe.no-answer', `Nothing has answered at ${origin} within the member: ${why}.`, {
    hint: 'The address is seen from within the member; bash has to be on its host.',
  });
}

/** What the command has said, where it ends by itself; else it is ended. */
async function ended(spawned: Spawned): Promise<string | undefined> {
  const { signal } = new AbortController();
  const result = await Promise.race([
    spawned.ended.then(
      ({ stderr }) => stderr,
      () => undefined,
    ),
    sleep(END_MS, signal).then(() => undefined),
  ]);
  spawned.kill();
  return result;
}
