/**
 * CRC-64 as Redis uses it at the end of an RDB file and of a DUMP payload: Jones' polynomial 0xad93d23594c935a9,
 * reflected, start 0, no final xor. Its check value for "123456789" is e9c6d914c4b8d9ca.
 *
 * A 64-bit number is kept in two 32-bit halves, and eight bytes are taken a step by eight tables: BigInt would be
 * some fifty times slower.
 */
const POLYNOMIAL_LOW = 0xac4bc9b5 | 0;
const POLYNOMIAL_HIGH = 0x95ac9329 | 0;

const LOW = new Int32Array(8 * 256);
const HIGH = new Int32Array(8 * 256);

for (let byte = 0; byte < 256; byte += 1) {
  let low = byte;
  let high = 0;
  for (let bit = 0; bit < 8; bit += 1) {
    const carry = low & 1;
    low = (low >>> 1) | (high << 31);
    high >>>= 1;
    if (carry) {
      low ^= POLYNOMIAL_LOW;
      high ^= POLYNOMIAL_HIGH;
    }
  }
  LOW[byte] = low;
  HIGH[byte] = high;
}
for (let index = 256; index < 8 * 256; index += 1) {
  const low = LOW[index - 256]!;
  const high = HIGH[index - 256]!;
  LOW[index] = ((low >>> 8) | (high << 24)) ^ LOW[low & 255]!;
  HIGH[index] = (high >>> 8) ^ HIGH[low & 255]!;
}

export class Crc64 {
  private low = 0;
  private high = 0;

  update(bytes: Uint8Array): this {
    let low = this.low;
    let high = this.high;
    let at = 0;
    for (const end = bytes.length - 7; at < end; at += 8) {
      low ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
      high ^= bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24);
      const [a, b, c, d] = [low & 255, (low >>> 8) & 255, (low >>> 16) & 255, low >>> 24];
      const [e, f, g, h] = [high & 255, (high >>> 8) & 255, (high >>> 16) & 255, high >>> 24];
      low =
        LOW[1792 + a]! ^
        LOW[1536 + b]! ^
        LOW[1280 + c]! ^
        LOW[1024 + d]! ^
        LOW[768 + e]! ^
        LOW[512 + f]! ^
        LOW[256 + g]! ^
        LOW[h]!;
      high =
        HIGH[1792 + a]! ^
        HIGH[1536 + b]! ^
        HIGH[1280 + c]! ^
        HIGH[1024 + d]! ^
        HIGH[768 + e]! ^
        HIGH[512 + f]! ^
        HIGH[256 + g]! ^
        HIGH[h]!;
    }
    for (; at < bytes.length; at += 1) {
      const index = (low ^ bytes[at]!) & 255;
      low = ((low >>> 8) | (high << 24)) ^ LOW[index]!;
      high = (high >>> 8) ^ HIGH[index]!;
    }
    this.low = low;
    this.high = high;
    return this;
  }

  /** Eight bytes, the lowest first, as Redis writes them. */
  digest(): Buffer {
    const bytes = Buffer.allocUnsafe(8);
    bytes.writeInt32LE(this.low, 0);
    bytes.writeInt32LE(this.high, 4);
    return bytes;
  }
}
