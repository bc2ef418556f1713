import { type FieldSpec, MESSAGES, type Message, type MessageName } from './messages.ts';

/**
 * Protocol Buffers (proto3) over the table of messages.ts: what protocol 6 needs of it, in a module that loads in a
 * millisecond. Encoding: https://protobuf.dev/programming-guides/encoding/
 */
const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

type Fields = Readonly<Record<string, FieldSpec>>;
type Loose = Record<string, unknown>;

const TABLE: Readonly<Record<string, Fields>> = MESSAGES;
const BY_NUMBER = new Map<string, ReadonlyMap<number, readonly [name: string, spec: FieldSpec]>>(
  Object.entries(TABLE).map(([message, fields]) => [
    message,
    new Map(Object.entries(fields).map(([name, spec]) => [spec[0], [name, spec]])),
  ]),
);

/** The message's bytes. @throws RangeError for an integer that a number does not hold exactly. */
export function encodeMessage<N extends MessageName>(name: N, message: Message<N>): Buffer {
  return encodeFields(name, message as Loose);
}

/** The message; absent fields stay absent. @throws RangeError when the bytes are cut short or not a message. */
export function decodeMessage<N extends MessageName>(name: N, bytes: Uint8Array): Message<N> {
  return decodeFields(name, new Reader(bytes)) as Message<N>;
}

function encodeFields(name: string, message: Loose): Buffer {
  const parts: Buffer[] = [];
  for (const [field, spec] of Object.entries(TABLE[name]!)) {
    const value = message[field];
    if (value === undefined) continue;
    const [number, type, label] = spec;
    if (label === 'repeated') {
      for (const item of value as readonly unknown[]) putField(parts, number, type, item);
    } else if (label === 'map') {
      for (const [key, item] of Object.entries(value as Loose)) {
        const entry: Buffer[] = [];
        putField(entry, 1, 'string', key);
        putField(entry, 2, type, item);
        putBytes(parts, number, Buffer.concat(entry));
      }
    } else if (label === 'oneof' || !isZero(type, value)) putField(parts, number, type, value);
  }
  return Buffer.concat(parts);
}

/** proto3 does not send a scalar that has its type's zero value. */
function isZero(type: string, value: unknown): boolean {
  if (type in TABLE) return false;
  return (
    value === '' || value === 0 || value === false || (value instanceof Uint8Array && value.length === 0)
  );
}

function putField(parts: Buffer[], number: number, type: string, value: unknown): void {
  if (type in TABLE) putBytes(parts, number, encodeFields(type, value as Loose));
  else if (type === 'string') putBytes(parts, number, Buffer.from(value as string));
  else if (type === 'bytes') putBytes(parts, number, value as Uint8Array);
  else {
    parts.push(varint(number * 8 + VARINT), varint(Number(value)));
  }
}

function putBytes(parts: Buffer[], number: number, bytes: Uint8Array): void {
  parts.push(varint(number * 8 + LENGTH), varint(bytes.length), Buffer.from(bytes));
}

function varint(value: number): Buffer {
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no integer that can be sent exactly`);
  const bytes: number[] = [];
  // A negative int64 is sent as its 64-bit two's complement.
  let rest = value < 0 ? BigInt.asUintN(64, BigInt(value)) : BigInt(value);
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

function decodeFields(name: string, reader: Reader): Loose {
  const fields = BY_NUMBER.get(name)!;
  const message: Loose = {};
  while (!reader.done) {
    const [number, wire] = reader.tag();
    const known = fields.get(number);
    if (known === undefined) {
      reader.skip(wire);
      continue;
    }
    const [field, [, type, label]] = known;
    if (label === 'map') addEntry(message, field, type, reader.sub(wire));
    else {
      const value = readValue(type, wire, reader);
      message[field] = label === 'repeated' ? [...((message[field] as unknown[]) ?? []), value] : value;
    }
  }
  return message;
}

function addEntry(message: Loose, field: string, type: string, entry: Reader): void {
  let key = '';
  let value: unknown = type in TABLE ? {} : undefined;
  while (!entry.done) {
    const [number, wire] = entry.tag();
    if (number === 1) key = readValue('string', wire, entry) as string;
    else if (number === 2) value = readValue(type, wire, entry);
    else entry.skip(wire);
  }
  // A spread makes own properties, even of a key such as __proto__.
  message[field] = { ...((message[field] as Loose) ?? {}), ...Object.fromEntries([[key, value]]) };
}

function readValue(type: string, wire: number, reader: Reader): unknown {
  if (type in TABLE) return decodeFields(type, reader.sub(wire));
  if (type === 'string') return reader.bytes(wire).toString('utf8');
  if (type === 'bytes') return reader.bytes(wire);
  const value = reader.integer(wire);
  return type === 'bool' ? value !== 0 : value;
}

class Reader {
  private readonly buffer: Buffer;
  private position = 0;

  constructor(bytes: Uint8Array) {
    this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.position >= this.buffer.length;
  }

  tag(): readonly [number: number, wire: number] {
    const tag = Number(this.varint());
    if (tag < 8) throw new RangeError('a field without a number');
    return [Math.floor(tag / 8), tag % 8];
  }

  integer(wire: number): number {
    if (wire !== VARINT) throw new RangeError(`wire type ${wire} where an integer belongs`);
    const value = Number(BigInt.asIntN(64, this.varint()));
    if (!Number.isSafeInteger(value)) throw new RangeError('an integer beyond 2^53');
    return value;
  }

  bytes(wire: number): Buffer {
    if (wire !== LENGTH) throw new RangeError(`wire type ${wire} where bytes belong`);
    return this.take(Number(this.varint()));
  }

  sub(wire: number): Reader {
    return new Reader(this.bytes(wire));
  }

  skip(wire: number): void {
    if (wire === VARINT) this.varint();
    else if (wire === LENGTH) this.bytes(wire);
    else if (wire === FIXED64) this.take(8);
    else if (wire === FIXED32) this.take(4);
    else throw new RangeError(`unknown wire type ${wire}`);
  }

  private take(length: number): Buffer {
    const end = this.position + length;
    if (end > this.buffer.length) throw new RangeError('the message is cut short');
    const taken = this.buffer.subarray(this.position, end);
    this.position = end;
    return taken;
  }

  private varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.buffer[this.position];
      if (byte === undefined) throw new RangeError('the message is cut short');
      this.position += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new RangeError('an integer of more than 64 bits');
  }
}
