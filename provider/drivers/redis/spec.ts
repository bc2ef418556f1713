import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { StasisError } from '../../core/errors.ts';
import type { Reach, Reached } from '../../core/host.ts';

const DEFAULT_PORT = 6379;
/** Schemes of URLs, and whether they ask for TLS; Valkey's clients have their own. */
const SECURE: Readonly<Record<string, boolean>> = {
  'redis:': false,
  'rediss:': true,
  'valkey:': false,
  'valkeys:': true,
};

export const redisSpec = z.strictObject({
  url: z
    .string()
    .min(1)
    .describe(
      'Where the server is and how to log in: `redis://user:password@host:port`, or `rediss://` for TLS. All databases are captured.',
    )
    .meta({ role: 'access', secret: true }),
  caFile: z
    .string()
    .min(1)
    .optional()
    .describe(
      'PEM file of the authority that signed the server certificate, where the system does not know it.',
    )
    .meta({ role: 'access' }),
  certFile: z
    .string()
    .min(1)
    .optional()
    .describe('PEM file of the client certificate, where the server asks for one.')
    .meta({ role: 'access' }),
  keyFile: z
    .string()
    .min(1)
    .optional()
    .describe('PEM file of the key of the client certificate.')
    .meta({ role: 'access' }),
  serverName: z
    .string()
    .min(1)
    .optional()
    .describe('Host name that the server certificate is for, where it is not the one in the URL.')
    .meta({ role: 'access' }),
  acl: z
    .boolean()
    .optional()
    .describe(
      'Whether ACL users are captured, where the login may read them. Their password hashes go into the store with the data. Default: true.',
    )
    .meta({ role: 'selection' }),
});

export type RedisSpec = z.infer<typeof redisSpec> & {
  /** Set where the server is seen from another machine than ours. */
  readonly reach?: Reach;
};

/** How a socket is connected to the server. */
export async function addressOf(
  spec: RedisSpec,
  { host, port }: Target,
  signal: AbortSignal,
): Promise<{ readonly host: string; readonly port: number } | Reached> {
  return (await spec.reach?.(host, port, { signal })) ?? { host, port };
}

/** A server to talk to: what the URL says, taken apart. Holds the password; never log it. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/**
 * @throws StasisError `redis.url`, without any part of what was given: it may hold a password.
 */
export function parseTarget(spec: RedisSpec): Target {
  let url: URL;
  try {
    url = new URL(spec.url);
  } catch {
    throw wrongUrl('It is no URL.');
  }
  const secure = SECURE[url.protocol];
  if (secure === undefined) throw wrongUrl('It has to begin with redis:// or rediss://.');
  if (url.hostname === '') throw wrongUrl('It names no host.');
  if (url.pathname !== '' && url.pathname !== '/' && url.pathname !== '/0')
    throw wrongUrl('It names a database, and all databases of the server are captured: leave it out.');
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? DEFAULT_PORT : Number(url.port),
    secure,
    username: decoded(url.username),
    password: decoded(url.password),
  };
}

function decoded(part: string): string | undefined {
  if (part === '') return undefined;
  try {
    return decodeURIComponent(part);
  } catch {
    throw wrongUrl('Its user or password has a "%" that is not followed by two hexadecimal digits.');
  }
}

function wrongUrl(why: string): StasisError {
  return new StasisError('redis.url', `The URL cannot be used. ${why}`, {
    hint: 'Write redis://user:password@host:port, with rediss:// for TLS; special characters in a password as %HH.',
    at: ['url'],
  });
}

/** `redis://host:port`, also for TLS: the same place is the same whatever way it is reached. */
export function endpointOf(spec: RedisSpec): string {
  const { host, port } = parseTarget(spec);
  return `redis://${host.includes(':') ? `[${host}]` : host.toLowerCase()}:${port}`;
}

export interface TlsMaterial {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly servername?: string;
}

/** @throws StasisError `redis.tls-file` at the attribute whose file cannot be read. */
export async function readTls(spec: RedisSpec, target: Target): Promise<TlsMaterial | undefined> {
  if (!target.secure) return undefined;
  const read = async (attribute: 'caFile' | 'certFile' | 'keyFile'): Promise<Buffer | undefined> => {
    const path = spec[attribute];
    if (path === undefined) return undefined;
    return readFile(path).catch((cause: NodeJS.ErrnoException) => {
      throw new StasisError('redis.tls-file', `${path} cannot be read (${cause.code ?? 'unknown reason'}).`, {
        at: [attribute],
        cause,
      });
    });
  };
  const [ca, cert, key] = [await read('caFile'), await read('certFile'), await read('keyFile')];
  // An address is no server name; certificates for addresses are checked without one.
  const servername = spec.serverName ?? (/^[\d.]+$|:/.test(target.host) ? undefined : target.host);
  return { ca, cert, key, servername };
}
