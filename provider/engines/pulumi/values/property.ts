import struct from 'google-protobuf/google/protobuf/struct_pb.js';
import { UNKNOWN, type Unknown, type Values } from '../../../core/resource.ts';

/** A value that the engine encrypts in its state and never shows. */
export class Secret {
  readonly value: Property;

  constructor(value: Property) {
    this.value = value;
  }
}

/** A value as Pulumi sends and keeps it. */
export type Property =
  | null
  | boolean
  | number
  | string
  | Unknown
  | Secret
  | readonly Property[]
  | PropertyMap;
export interface PropertyMap {
  readonly [key: string]: Property;
}

/** The key by which an object says that it stands for something else, and what: facts of Pulumi's protocol. */
const SIGNATURE = '4dabf18193072939515e22adb298388d';
const SECRET = '1b47061264138c4ac30d75fd1eb44270';
const OUTPUT = 'd0e6a833031e9bbcd3f4e8bde6ca49a4';

/** How the engine writes what it does not know yet: one for each type, of which the first is written for all. */
const UNKNOWNS = [
  '04da6b54-80e4-46f7-96ec-b56ff0331ba9',
  '1c4a061d-8072-4f0a-a4cb-0ff528b18fe7',
  '3eeb2bf0-c639-47a8-9e75-3b44932eb421',
  '6a19a0b0-7e62-4c92-b797-7f8e31da9cc2',
  '030794c1-ac77-496b-92df-f27374a8bd58',
  'e48ece36-62e2-4504-bad9-02848725956a',
  'dd056dcd-154b-4c76-9bd3-c8f88648b5ff',
] as const;

/** What was sent; empty where nothing was. */
export function decodeProperties(message: struct.Struct | undefined): PropertyMap {
  const entries = message?.getFieldsMap().toArray() ?? [];
  return Object.fromEntries(
    (entries as unknown as [string, unknown][]).map(([key]) => [
      key,
      decodeProperty(message!.getFieldsMap().get(key)!),
    ]),
  );
}

export function decodeProperty(value: struct.Value): Property {
  switch (value.getKindCase()) {
    case struct.Value.KindCase.BOOL_VALUE:
      return value.getBoolValue();
    case struct.Value.KindCase.NUMBER_VALUE:
      return value.getNumberValue();
    case struct.Value.KindCase.STRING_VALUE:
      return known(value.getStringValue());
    case struct.Value.KindCase.LIST_VALUE:
      return value.getListValue()!.getValuesList().map(decodeProperty);
    case struct.Value.KindCase.STRUCT_VALUE:
      return standingFor(decodeProperties(value.getStructValue()));
    default:
      return null;
  }
}

function known(text: string): string | Unknown {
  return UNKNOWNS.some((unknown) => unknown === text) ? UNKNOWN : text;
}

function standingFor(object: PropertyMap): Property {
  if (object[SIGNATURE] === SECRET) return new Secret(object.value ?? null);
  if (object[SIGNATURE] !== OUTPUT) return object;
  const value = object.value ?? UNKNOWN;
  return object.secret === true ? new Secret(value) : value;
}

export function encodeProperties(properties: PropertyMap): struct.Struct {
  const message = new struct.Struct();
  for (const [key, property] of Object.entries(properties))
    message.getFieldsMap().set(key, encodeProperty(property));
  return message;
}

export function encodeProperty(property: Property): struct.Value {
  const value = new struct.Value();
  if (property === null) return value.setNullValue(struct.NullValue.NULL_VALUE);
  if (property === UNKNOWN) return value.setStringValue(UNKNOWNS[0]);
  if (typeof property === 'boolean') return value.setBoolValue(property);
  if (typeof property === 'number') return value.setNumberValue(property);
  if (typeof property === 'string') return value.setStringValue(property);
  if (property instanceof Secret)
    return value.setStructValue(encodeProperties({ [SIGNATURE]: SECRET, value: property.value }));
  if (isList(property)) {
    const list = new struct.ListValue();
    list.setValuesList(property.map(encodeProperty));
    return value.setListValue(list);
  }
  return value.setStructValue(encodeProperties(property as PropertyMap));
}

export function isList(property: Property | undefined): property is readonly Property[] {
  return Array.isArray(property);
}

export function isMap(property: Property | undefined): property is PropertyMap {
  return (
    typeof property === 'object' && property !== null && !isList(property) && !(property instanceof Secret)
  );
}

/** Without the wrapping of a secret. */
export function reveal(property: Property | undefined): Property | undefined {
  return property instanceof Secret ? reveal(property.value) : property;
}

/** As a definition takes values: secrets as they are, and what is null is not there. */
export function toValues(properties: PropertyMap): Values {
  return toValue(properties) as Values;
}

function toValue(property: Property): unknown {
  const revealed = reveal(property)!;
  if (isList(revealed)) return revealed.map(toValue);
  if (!isMap(revealed)) return revealed;
  const kept = Object.entries(revealed).filter(([, value]) => reveal(value) !== null);
  return Object.fromEntries(kept.map(([key, value]) => [key, toValue(value)]));
}

/** A definition's values, none of which is a secret. */
export function fromValues(values: Values): PropertyMap {
  return fromValue(values) as PropertyMap;
}

function fromValue(value: unknown): Property {
  if (Array.isArray(value)) return value.map(fromValue);
  if (typeof value !== 'object' || value === null) return (value ?? null) as Property;
  const kept = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(kept.map(([key, item]) => [key, fromValue(item)]));
}

/** Every text in a secret. */
export function secretTexts(property: Property, within = false): readonly string[] {
  if (property instanceof Secret) return secretTexts(property.value, true);
  if (typeof property === 'string') return within ? [property] : [];
  if (isList(property)) return property.flatMap((item) => secretTexts(item, within));
  if (isMap(property)) return Object.values(property).flatMap((item) => secretTexts(item, within));
  return [];
}
