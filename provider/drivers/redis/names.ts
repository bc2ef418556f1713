/**
 * Names of fingerprint objects. Keys are bytes and need not be text: whatever is not printable UTF-8 is written
 * `\xHH`, and `\` itself `\\`. So different keys have different names. Read from the left, no escaped key has a `\`
 * that a `/` follows: that divides a key from a field or a group in it.
 */
export function keyObject(db: number, key: Buffer): string {
  return `db/${db}/key/${escapeBytes(key)}`;
}

/** A field that expires by itself. */
export function fieldObject(db: number, key: Buffer, field: Buffer): string {
  return `db/${db}/field/${escapeBytes(key)}\\/${escapeBytes(field)}`;
}

/** A consumer group of a stream. */
export function groupObject(db: number, key: Buffer, group: Buffer): string {
  return `db/${db}/group/${escapeBytes(key)}\\/${escapeBytes(group)}`;
}

export function functionObject(library: string): string {
  return `function/${escapeBytes(Buffer.from(library, 'latin1'))}`;
}

export function userObject(user: Buffer): string {
  return `acl/${escapeBytes(user)}`;
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
