import type { RdbKey } from './reader.ts';

const OPCODE = { idle: 248, frequency: 249, resize: 251, expireMs: 252, selectDb: 254, end: 255 } as const;

/** A server takes eight zeros for "no checksum"; the way to it is one connection, whose end is seen. */
const NO_CHECKSUM = Buffer.alloc(8);

/** `REDIS0011` or `VALKEY080`: Valkey's own numbers begin at 80, and it refuses what Redis numbered above 11. */
export function rdbHeader(version: number): Buffer {
  return Buffer.from(version >= 80 ? `VALKEY${pad(version, 3)}` : `REDIS${pad(version, 4)}`, 'latin1');
}

export function selectDatabase(db: number): Buffer {
  return Buffer.concat([Buffer.of(OPCODE.selectDb), length(db)]);
}

/** Lets the server make its table as large as it will be. Both are counts, for the database selected. */
export function resizeDatabase(keys: number, expiring: number): Buffer {
  return Buffer.concat([Buffer.of(OPCODE.resize), length(keys), length(expiring)]);
}

/** A key with its value as it was in another RDB, in the database selected last. */
export function rdbKey(record: Omit<RdbKey, 'kind' | 'db'>): Buffer[] {
  const { key, type, payload, expireAtMs, idleSeconds, frequency } = record;
  const parts: Buffer[] = [];
  if (expireAtMs !== undefined) {
    const expiry = Buffer.allocUnsafe(9);
    expiry[0] = OPCODE.expireMs;
    expiry.writeBigInt64LE(BigInt(expireAtMs), 1);
    parts.push(expiry);
  }
  if (idleSeconds !== undefined) parts.push(Buffer.of(OPCODE.idle), length(idleSeconds));
  if (frequency !== undefined) parts.push(Buffer.of(OPCODE.frequency, frequency));
  parts.push(Buffer.of(type), length(key.length), key, payload);
  return parts;
}

export function rdbString(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([length(bytes.length), bytes]);
}

export function rdbEnd(): Buffer {
  return Buffer.concat([Buffer.of(OPCODE.end), NO_CHECKSUM]);
}

/** A length of 6, 14, 32 or 64 bits, by its two highest bits, as `Cursor.length` reads it. */
function length(value: number): Buffer {
  if (value < 1 << 6) return Buffer.of(value);
  if (value < 1 << 14) return Buffer.of(0x40 | (value >>> 8), value & 255);
  const wide = value > 0xffff_ffff;
  const bytes = Buffer.allocUnsafe(wide ? 9 : 5);
  bytes[0] = wide ? 0x81 : 0x80;
  if (wide) bytes.writeBigUInt64BE(BigInt(value), 1);
  else bytes.writeUInt32BE(value, 1);
  return bytes;
}

function pad(version: number, digits: number): string {
  return String(version).padStart(digits, '0');
}
