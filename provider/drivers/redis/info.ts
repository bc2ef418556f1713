import { type Connection, type Reply, type ReplyError, text } from './connection.ts';
import type { Product } from './rdb/types.ts';

/** The lines of INFO, by name. */
export type Info = ReadonlyMap<string, string>;

export function parseInfo(reply: Reply | ReplyError | undefined): Info {
  const lines = new Map<string, string>();
  for (const line of text(reply).split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0 && !line.startsWith('#')) lines.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return lines;
}

export function numberOf(info: Info, name: string): number {
  return Number(info.get(name) ?? 0);
}

export async function readInfo(connection: Connection, signal?: AbortSignal): Promise<Info> {
  return parseInfo(await connection.call(['INFO', 'all'], { signal }));
}

export interface ServerFacts {
  readonly product: Product;
  /** `7.0.15`; Valkey's own number for Valkey. */
  readonly version: string;
  readonly major: number;
  readonly minor: number;
  readonly runId: string;
  readonly role: string;
  readonly mode: string;
  readonly usedMemoryBytes: number;
  readonly maxMemoryBytes: number;
  readonly maxMemoryPolicy: string;
  /** 0 when the server does not tell. */
  readonly systemMemoryBytes: number;
  /** How many keys each database has; databases without any are left out. */
  readonly keys: ReadonlyMap<number, number>;
}

export function factsOf(info: Info): ServerFacts {
  const valkey = info.get('valkey_version');
  const version = valkey ?? info.get('redis_version') ?? '0';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const keys = new Map<number, number>();
  for (const [name, value] of info) {
    const db = /^db(\d+)$/.exec(name)?.[1];
    const count = /^keys=(\d+)/.exec(value)?.[1];
    if (db !== undefined && count !== undefined) keys.set(Number(db), Number(count));
  }
  return {
    product: valkey === undefined ? 'redis' : 'valkey',
    version,
    major,
    minor,
    runId: info.get('run_id') ?? '',
    role: info.get('role') ?? '',
    mode: info.get('server_mode') ?? info.get('redis_mode') ?? '',
    usedMemoryBytes: numberOf(info, 'used_memory'),
    maxMemoryBytes: numberOf(info, 'maxmemory'),
    maxMemoryPolicy: info.get('maxmemory_policy') ?? 'noeviction',
    systemMemoryBytes: numberOf(info, 'total_system_memory'),
    keys,
  };
}

/** `Redis 7.0.15`, for messages. */
export function productName(facts: { readonly product: string; readonly version: string }): string {
  return `${facts.product === 'valkey' ? 'Valkey' : 'Redis'} ${facts.version}`;
}

/** The newest RDB version that a server reads in RESTORE. */
export function rdbVersionOf(facts: Pick<ServerFacts, 'product' | 'major' | 'minor'>): number {
  const { product, major, minor } = facts;
  if (product === 'valkey') return major >= 9 ? 80 : 11;
  if (major > 7 || (major === 7 && minor >= 4)) return 12;
  if (major === 7) return minor >= 2 ? 11 : 10;
  return 9;
}
