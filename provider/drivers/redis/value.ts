/**
 * A value of Redis as its commands show it, whatever its encoding. Both readers make it, the parser of RDB and the
 * reader of a running server, and only from it fingerprints are made. Iterables are read once.
 */
export type Value =
  | { readonly type: 'string'; readonly bytes: Buffer }
  | { readonly type: 'list'; readonly elements: Iterable<Buffer> }
  | { readonly type: 'set'; readonly members: Iterable<Buffer> }
  | { readonly type: 'zset'; readonly members: Iterable<readonly [member: Buffer, score: number]> }
  | { readonly type: 'hash'; readonly fields: Iterable<HashField> }
  | StreamValue
  | ModuleValue;

export interface HashField {
  readonly field: Buffer;
  readonly value: Buffer;
  /** Unix milliseconds; undefined when it does not expire by itself. */
  readonly expireAtMs?: number;
}

export interface StreamValue {
  readonly type: 'stream';
  readonly entries: Iterable<StreamEntry>;
  /** `1700000000000-0`: the next entry gets a greater one. */
  readonly lastId: string;
  readonly groups: Iterable<StreamGroup>;
}

export interface StreamEntry {
  readonly id: string;
  /** Fields and values by turns. */
  readonly fields: readonly Buffer[];
}

export interface StreamGroup {
  readonly name: Buffer;
  /** The last entry that it was given. */
  readonly lastId: string;
  readonly consumers: readonly Buffer[];
  readonly pending: readonly PendingEntry[];
}

/** An entry that a consumer was given and has not acknowledged. */
export interface PendingEntry {
  readonly id: string;
  readonly consumer: Buffer;
  /** Unix milliseconds. */
  readonly deliveredAtMs: number;
  readonly deliveries: number;
}

/**
 * Of a module's own type. Of what it wrote only the strings are known to be its content; numbers may be links and
 * counters that come out otherwise when it is loaded.
 */
export interface ModuleValue {
  readonly type: 'module';
  readonly module: string;
  readonly strings: Iterable<Buffer>;
}
