import { decode, Encoder, ExtData, type ExtensionCodecType } from '@msgpack/msgpack';
import { UNKNOWN } from '../../../core/resource.ts';
import type { Message } from '../wire/messages.ts';

/**
 * A value as it stands in a DynamicValue, decoded but not yet understood: objects by Terraform's attribute names with
 * every attribute present, `null` where nothing is set, `UNKNOWN` where only an apply will tell. A number is a number,
 * a bigint beyond 2^53, or a string where binary floating point would not be exact.
 */
export type Raw = unknown;
export type RawObject = Readonly<Record<string, Raw>>;

/**
 * Every extension type means unknown: Terraform sends refined unknowns as type 12, and may add others. An unknown is
 * sent as type 0 with one byte, as the engines themselves do.
 */
const EXTENSIONS: ExtensionCodecType<undefined> = {
  tryToEncode: (value) => (value === UNKNOWN ? new ExtData(0, new Uint8Array([0])) : null),
  decode: () => UNKNOWN,
};

/** Absent and empty are null, as on destroy. */
export function decodeDynamicValue(value: Message<'DynamicValue'> | undefined): Raw {
  if (value?.msgpack?.length)
    return decode(value.msgpack, { extensionCodec: EXTENSIONS, useBigInt64: true, rawStrings: false });
  if (value?.json?.length) return parseStateJson(value.json);
  return null;
}

export function encodeDynamicValue(value: Raw): Message<'DynamicValue'> {
  // An encoder of its own each time: calls run at once, and it is not re-entrant.
  const encoder = new Encoder({ extensionCodec: EXTENSIONS, useBigInt64: true });
  return { msgpack: encoder.encode(value) };
}

/** JSON as it stands in a state file; a number that JavaScript would round stays the text that it was. */
export function parseStateJson(json: Uint8Array): Raw {
  const exact = (_key: string, value: unknown, context?: { readonly source?: string }): unknown =>
    typeof value === 'number' && !Number.isSafeInteger(value) ? (context?.source ?? value) : value;
  return JSON.parse(Buffer.from(json).toString('utf8'), exact);
}

/**
 * A number of ours, for the wire. Terraform reads a decimal from its state as the decimal it is, not as the nearest
 * binary fraction: sent as text, 0.1 is the same number before and after.
 */
export function rawNumber(value: number): Raw {
  return Number.isSafeInteger(value) ? value : String(value);
}

export function isRawObject(value: Raw): value is RawObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
