/**
 * Names of fingerprint objects. Keys are bytes and need not be text: whatever is not printable UTF-8 is written
 * `\xHH`, and `\` itself `\\`. So different keys have different names. Read from the left, no escaped key has a `\`
 * that a `/` follows: that divides a key from a field or a group in it.
 */
export interface ObjectName {
  /** Ends in a slash. No prefix begins with another one, so names sort by prefix first. */
  readonly prefix: string;
  readonly rest: string;
}

export function keyObject(db: number, key: Buffer): ObjectName {
  return { prefix: `db/${db}/key/`, rest: escapeBytes(key) };
}

/** A field that expires by itself. */
export function fieldObject(db: number, key: Buffer, field: Buffer): ObjectName {
  return { prefix: `db/${db}/field/`, rest: `${escapeBytes(key)}\\/${escapeBytes(field)}` };
}

/** A consumer group of a stream. */
export function groupObject(db: number, key: Buffer, group: Buffer): ObjectName {
  return { prefix: `db/${db}/group/`, rest: `${escapeBytes(key)}\\/${escapeBytes(group)}` };
}

export function functionObject(library: string): ObjectName {
  return { prefix: 'function/', rest: escapeBytes(Buffer.from(library, 'latin1')) };
}

export function userObject(user: Buffer): ObjectName {
  return { prefix: 'acl/', rest: escapeBytes(user) };
}

const PLAIN = /^[ -[\]-~]*$/;
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function escapeBytes(bytes: Buffer): string {
  const latin = bytes.toString('latin1');
  if (PLAIN.test(latin)) return latin;
  try {
    return strict
      .decode(bytes)
      .replace(UNPRINTABLE, (char) => [...Buffer.from(char)].map(escapeByte).join(''));
  } catch {
    return [...bytes]
      .map((byte) => (isPrintable(byte) ? String.fromCharCode(byte) : escapeByte(byte)))
      .join('');
  }
}

/** Control and format characters, unassigned ones, line separators, and the escape character itself. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}\\]/gu;

function isPrintable(byte: number): boolean {
  return byte >= 0x20 && byte < 0x7f && byte !== 0x5c;
}

function escapeByte(byte: number): string {
  return byte === 0x5c ? '\\\\' : `\\x${byte.toString(16).padStart(2, '0')}`;
}
