import { hash } from 'node:crypto';

/** SHA-256 as hex over values written so that different lists never collide: each with its length before it. */
export function digestOf(
  ...parts: readonly (string | Uint8Array | number | bigint | boolean | null | undefined)[]
): string {
  const pieces: Buffer[] = [];
  for (const part of parts) {
    const bytes =
      part instanceof Uint8Array
        ? Buffer.from(part.buffer, part.byteOffset, part.byteLength)
        : Buffer.from(String(part));
    pieces.push(Buffer.from(`${part instanceof Uint8Array ? 'b' : typeof part}:${bytes.length}:`), bytes);
  }
  return hash('sha256', Buffer.concat(pieces), 'hex');
}
