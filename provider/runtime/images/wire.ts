import { StasisError } from '../../core/errors.ts';

/** A value as it lies in a message: a number, or the bytes of a text, a message or packed numbers. */
type Value = bigint | Uint8Array;

/**
 * One protocol-buffer message, read without its schema: what a field means is known to whoever asks for it by number
 * (CRIU's images/*.proto). Fields that are not there read as 0, empty or undefined.
 */
export class Message {
  private readonly fields: ReadonlyMap<number, readonly Value[]>;

  /** @throws StasisError `runtime.damaged-image` */
  constructor(bytes: Uint8Array) {
    this.fields = fieldsOf(bytes);
  }

  has(field: number): boolean {
    return this.fields.has(field);
  }

  big(field: number): bigint {
    const value = this.fields.get(field)?.at(-1);
    return typeof value === 'bigint' ? value : 0n;
  }

  number(field: number): number {
    return Number(this.big(field));
  }

  /** Of a repeated number, packed or not. */
  numbers(field: number): number[] {
    return (this.fields.get(field) ?? []).flatMap((value) => {
      if (typeof value === 'bigint') return [Number(value)];
      const packed: number[] = [];
      for (let at = 0; at < value.length; ) {
        const read = varint(value, at);
        packed.push(Number(read.value));
        at = read.next;
      }
      return packed;
    });
  }

  bytes(field: number): Uint8Array {
    const value = this.fields.get(field)?.at(-1);
    return value instanceof Uint8Array ? value : new Uint8Array();
  }

  text(field: number): string {
    return Buffer.from(this.bytes(field)).toString('utf8');
  }

  message(field: number): Message | undefined {
    return this.messages(field).at(-1);
  }

  messages(field: number): Message[] {
    return (this.fields.get(field) ?? [])
      .filter((value) => value instanceof Uint8Array)
      .map((value) => new Message(value));
  }
}

/** Where the value of a field lies in a message: a view, through which a number of one byte can be changed. */
export function placeOfField(bytes: Uint8Array, field: number): Uint8Array | undefined {
  let found: Uint8Array | undefined;
  for (let at = 0; at < bytes.length; ) {
    const key = varint(bytes, at);
    const { next } = valueAt(bytes, key.next, Number(key.value & 7n));
    if (Number(key.value >> 3n) === field) found = bytes.subarray(key.next, next);
    at = next;
  }
  return found;
}

/** A message of these fields. */
export function messageOf(fields: Readonly<Record<number, number | Uint8Array>>): Buffer {
  const encoded = Object.entries(fields).flatMap(([name, value]) => {
    const key = Number(name) << 3;
    if (typeof value === 'number') return [varintOf(key), varintOf(value)];
    return [varintOf(key | 2), varintOf(value.length), value];
  });
  return Buffer.concat(encoded);
}

/** A message with these numbers, whatever it had for them: of one that is there twice the last counts. */
export function withNumbers(bytes: Uint8Array, numbers: Readonly<Record<number, number>>): Buffer {
  return Buffer.concat([bytes, messageOf(numbers)]);
}

/**
 * A message in which a text or a message that it holds is another.
 * @throws StasisError `runtime.damaged-image` where it holds none
 */
export function withBytes(bytes: Uint8Array, field: number, content: Uint8Array): Buffer {
  const place = placeOfField(bytes, field);
  if (place === undefined) throw damaged();
  const at = place.byteOffset - bytes.byteOffset;
  const after = bytes.subarray(at + place.length);
  return Buffer.concat([bytes.subarray(0, at), varintOf(content.length), content, after]);
}

function varintOf(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Uint8Array.from([...bytes, rest]);
}

function fieldsOf(bytes: Uint8Array): Map<number, Value[]> {
  const fields = new Map<number, Value[]>();
  for (let at = 0; at < bytes.length; ) {
    const key = varint(bytes, at);
    const field = Number(key.value >> 3n);
    const { value, next } = valueAt(bytes, key.next, Number(key.value & 7n));
    fields.set(field, [...(fields.get(field) ?? []), value]);
    at = next;
  }
  return fields;
}

interface Read<T> {
  readonly value: T;
  readonly next: number;
}

/** Wire types: 0 a varint, 1 eight bytes, 2 a length and bytes, 5 four bytes. */
function valueAt(bytes: Uint8Array, at: number, type: number): Read<Value> {
  if (type === 0) return varint(bytes, at);
  const length = type === 2 ? varint(bytes, at) : { value: type === 1 ? 8n : 4n, next: at };
  const next = length.next + Number(length.value);
  if (![1, 2, 5].includes(type) || next > bytes.length) throw damaged();
  const value = bytes.subarray(length.next, next);
  return { value: type === 2 ? value : littleEndian(value), next };
}

function varint(bytes: Uint8Array, from: number): Read<bigint> {
  let value = 0n;
  for (let at = from; at < bytes.length && at < from + 10; at += 1) {
    const byte = bytes[at]!;
    value |= BigInt(byte & 0x7f) << BigInt(7 * (at - from));
    if (byte < 0x80) return { value, next: at + 1 };
  }
  throw damaged();
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

export function damaged(): StasisError {
  return new StasisError('runtime.damaged-image', 'An image of the process cannot be read.', {
    hint: 'Look whether the snapshot is whole with "stasis verify".',
  });
}
