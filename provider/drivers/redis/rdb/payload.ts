import { Crc64 } from './crc64.ts';

/**
 * What RESTORE takes: type, value, the RDB version in two bytes, and a checksum of all of that. The version is the
 * lowest that has the type, so that a target which is older than the source takes every value that it can read.
 */
export function dumpPayload(type: number, value: Buffer, version: number): Buffer {
  const payload = Buffer.allocUnsafe(value.length + 11);
  payload[0] = type;
  value.copy(payload, 1);
  payload.writeUInt16LE(version, value.length + 1);
  new Crc64()
    .update(payload.subarray(0, value.length + 3))
    .digest()
    .copy(payload, value.length + 3);
  return payload;
}

/** The type and value of what DUMP gave. */
export function openPayload(payload: Buffer): { readonly type: number; readonly value: Buffer } {
  return { type: payload[0]!, value: payload.subarray(1, payload.length - 10) };
}
