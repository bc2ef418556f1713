import { Cursor } from './cursor.ts';
import { malformed } from './malformed.ts';
import { RDB_TYPE } from './types.ts';

const MODULE_END = 0;
const MODULE_SIGNED = 1;
const MODULE_UNSIGNED = 2;
const MODULE_FLOAT = 3;
const MODULE_DOUBLE = 4;
const MODULE_STRING = 5;

/** Passes over a value of this type. Its bytes are what DUMP would give between the type and the footer. */
export function skipValue(cursor: Cursor, type: number): void {
  switch (type) {
    case RDB_TYPE.string:
    case RDB_TYPE.listZiplist:
    case RDB_TYPE.setIntset:
    case RDB_TYPE.zsetZiplist:
    case RDB_TYPE.hashZiplist:
    case RDB_TYPE.hashListpack:
    case RDB_TYPE.zsetListpack:
    case RDB_TYPE.setListpack:
      cursor.skipString();
      return;
    case RDB_TYPE.list:
    case RDB_TYPE.set:
    case RDB_TYPE.listQuicklist:
      times(cursor.length(), () => cursor.skipString());
      return;
    case RDB_TYPE.listQuicklist2:
      times(cursor.length(), () => {
        cursor.length();
        cursor.skipString();
      });
      return;
    case RDB_TYPE.hash:
      times(2 * cursor.length(), () => cursor.skipString());
      return;
    case RDB_TYPE.zsetText:
      times(cursor.length(), () => {
        cursor.skipString();
        cursor.skipTextDouble();
      });
      return;
    case RDB_TYPE.zset:
      times(cursor.length(), () => {
        cursor.skipString();
        cursor.skip(8);
      });
      return;
    case RDB_TYPE.stream:
    case RDB_TYPE.stream2:
    case RDB_TYPE.stream3:
      skipStream(cursor, type);
      return;
    case RDB_TYPE.module:
      cursor.wide();
      skipModule(cursor);
      return;
    default:
      skipExpiringHash(cursor, type);
      return;
  }
}

function skipExpiringHash(cursor: Cursor, type: number): void {
  switch (type) {
    case RDB_TYPE.hashFieldsExpireValkey:
      times(cursor.length(), () => {
        cursor.skipString();
        cursor.skipString();
        cursor.skip(8);
      });
      return;
    case RDB_TYPE.hashFieldsExpire:
      cursor.skip(8);
      times(cursor.length(), () => {
        cursor.wide();
        cursor.skipString();
        cursor.skipString();
      });
      return;
    case RDB_TYPE.hashListpackFieldsExpire:
      cursor.skip(8);
      cursor.skipString();
      return;
  }
  throw malformed(`a value of type ${type} is not known`);
}

function skipStream(cursor: Cursor, type: number): void {
  times(2 * cursor.length(), () => cursor.skipString());
  // Length and last id; since version 2 also first id, greatest deleted id, and how many were ever added.
  times(type === RDB_TYPE.stream ? 3 : 8, () => cursor.wide());
  times(cursor.length(), () => {
    cursor.skipString();
    times(type === RDB_TYPE.stream ? 2 : 3, () => cursor.wide());
    times(cursor.length(), () => {
      cursor.skip(24);
      cursor.length();
    });
    times(cursor.length(), () => {
      cursor.skipString();
      cursor.skip(type === RDB_TYPE.stream3 ? 16 : 8);
      cursor.skip(16 * cursor.length());
    });
  });
}

/** What a module wrote is a row of marked primitives, up to an end mark: readable without the module. */
export function skipModule(cursor: Cursor): void {
  for (;;) {
    const mark = cursor.length();
    if (mark === MODULE_END) return;
    if (mark === MODULE_STRING) cursor.skipString();
    else skipNumber(cursor, mark);
  }
}

function skipNumber(cursor: Cursor, mark: number): void {
  switch (mark) {
    case MODULE_SIGNED:
    case MODULE_UNSIGNED:
      cursor.wide();
      return;
    case MODULE_FLOAT:
      cursor.skip(4);
      return;
    case MODULE_DOUBLE:
      cursor.skip(8);
      return;
  }
  throw malformed(`a module wrote ${mark} where a mark must be`);
}

/** The strings of a value of type `module`. */
export function* moduleStrings(payload: Buffer): Generator<Buffer> {
  const cursor = new Cursor(payload);
  cursor.wide();
  for (;;) {
    const mark = cursor.length();
    if (mark === MODULE_END) return;
    if (mark === MODULE_STRING) yield cursor.string();
    else skipNumber(cursor, mark);
  }
}

const MODULE_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Nine letters of six bits each, above ten bits of the module's own version: `ReJSON-RL`. */
export function moduleName(id: bigint): string {
  let name = '';
  for (let shift = 58n; shift >= 10n; shift -= 6n) name += MODULE_LETTERS[Number((id >> shift) & 63n)]!;
  return name;
}

/** The module that a value of type `module` belongs to. */
export function moduleNameOf(payload: Buffer): string {
  return moduleName(new Cursor(payload).wide());
}

function times(count: number, work: () => void): void {
  for (let index = 0; index < count; index += 1) work();
}
