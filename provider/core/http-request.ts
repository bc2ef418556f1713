import { z } from 'zod';

/** What changes nothing where it is asked by the rules of HTTP (RFC 9110, 9.2.1); and POST, for what cannot be asked otherwise. */
export const HTTP_METHODS = ['GET', 'HEAD', 'OPTIONS', 'POST'] as const;

/** One request, as it is kept in a manifest. */
export const HTTP_REQUEST = z.object({
  method: z.enum(HTTP_METHODS),
  /** As `parseHttpUrl` takes it. */
  url: z.string(),
  headers: z.record(z.string(), z.string()).optional(),
  /** A file of the member's host, read whenever it is asked; what is in it is kept nowhere. */
  headersFile: z.string().optional(),
  /** Of HTTPS: whose certificate is to be shown; the address of the URL if absent. */
  serverName: z.string().optional(),
  /** Of HTTPS: a file of the member's host with the certificates (PEM) that are trusted; those that Node.js trusts if absent. */
  caFile: z.string().optional(),
  body: z.string().optional(),
  /** Of the answer: another one is none. */
  status: z.number().int(),
});
export type HttpRequest = z.infer<typeof HTTP_REQUEST>;

export interface HttpPlace {
  /** Of IPv4 or IPv6, without brackets. */
  readonly address: string;
  readonly port: number;
  /** With the query. */
  readonly path: string;
  /** What a `Host` header says of it. */
  readonly authority: string;
  /** By TLS. */
  readonly secure: boolean;
}

const LOOPBACK = '127.0.0.1';

/**
 * Whom a request goes to, seen from within the member: an address, or `localhost`. A name would be looked up, and what
 * answers then need not be the member. Undefined for whatever else.
 */
export function parseHttpUrl(url: string): HttpPlace | undefined {
  if (!URL.canParse(url)) return undefined;
  const { protocol, hostname, port, pathname, search, host, username, password, hash } = new URL(url);
  const secure = protocol === 'https:';
  if ((protocol !== 'http:' && !secure) || username !== '' || password !== '' || hash !== '')
    return undefined;
  const isName = !/^(?:\d+\.){3}\d+$|^\[[\da-f:.]+\]$/.test(hostname);
  if (isName && hostname !== 'localhost') return undefined;
  return {
    address: isName ? LOOPBACK : hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (secure ? 443 : 80) : Number(port),
    path: `${pathname}${search}`,
    authority: host,
    secure,
  };
}

/** What we say ourselves of each request: one connection for it alone, and an answer that is as long as it says. */
const OURS = ['connection', 'content-length', 'transfer-encoding', 'accept-encoding', 'upgrade', 'expect'];
/** What is a secret by what it is for. */
const SECRET = ['authorization', 'proxy-authorization', 'cookie'];

/** What is wrong with a header, if anything: that it is none, that it is ours to say, or that it is a secret. */
export function headerProblem(name: string, value: string): 'malformed' | 'ours' | 'secret' | undefined {
  if (!/^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/.test(name) || !/^[\t\x20-\x7e]*$/.test(value)) return 'malformed';
  if (OURS.includes(name.toLowerCase())) return 'ours';
  return SECRET.includes(name.toLowerCase()) ? 'secret' : undefined;
}

/** Lines of `Name: value`, as in a request; empty ones and those that start with `#` say nothing. Undefined for others. */
export function parseHeaders(text: string): Readonly<Record<string, string>> | undefined {
  const headers: Record<string, string> = {};
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [, name, value] = /^([^:]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) return undefined;
    const problem = headerProblem(name, value);
    if (problem === 'malformed' || problem === 'ours') return undefined;
    headers[name] = value;
  }
  return headers;
}
