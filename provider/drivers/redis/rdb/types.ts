/**
 * The type byte before a value in an RDB, and in a DUMP payload. From Redis' rdb.h; 22 is Valkey's hash with fields
 * that expire, which Redis used for something else before 7.4 was released.
 */
export const RDB_TYPE = {
  string: 0,
  list: 1,
  set: 2,
  zsetText: 3,
  hash: 4,
  zset: 5,
  module: 7,
  listZiplist: 10,
  setIntset: 11,
  zsetZiplist: 12,
  hashZiplist: 13,
  listQuicklist: 14,
  stream: 15,
  hashListpack: 16,
  zsetListpack: 17,
  listQuicklist2: 18,
  stream2: 19,
  setListpack: 20,
  stream3: 21,
  hashFieldsExpireValkey: 22,
  hashFieldsExpire: 24,
  hashListpackFieldsExpire: 25,
} as const;

export type Product = 'redis' | 'valkey';

/** The RDB version that introduced a type; the version in a DUMP payload of it. */
export function versionOfType(type: number): number {
  if (type === RDB_TYPE.hashFieldsExpireValkey) return 80;
  if (type >= RDB_TYPE.hashFieldsExpire) return 12;
  if (type >= RDB_TYPE.setListpack) return 11;
  if (type >= RDB_TYPE.hashListpack) return 10;
  return 9;
}

/** Whether a server that reads this RDB version takes a value of this type by RESTORE. */
export function readsType(product: Product, version: number, type: number): boolean {
  if (type === RDB_TYPE.hashFieldsExpireValkey) return product === 'valkey' && version >= 80;
  if (type >= RDB_TYPE.hashFieldsExpire) return product === 'redis' && version >= 12;
  return version >= versionOfType(type);
}

/** Hashes with fields that expire: Redis and Valkey write them in different ways. */
export function hasExpiringFields(type: number): boolean {
  return type >= RDB_TYPE.hashFieldsExpireValkey && type <= RDB_TYPE.hashListpackFieldsExpire;
}
