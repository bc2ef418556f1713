import type { Standing } from '../access.ts';
import type { Entry, EntryKind } from '../entry.ts';

/**
 * What stat(1) of coreutils is asked for: device, inode, raw mode, owner, group, links, size, blocks of 512 bytes,
 * times of modification, change and birth to the nanosecond, and the name as it was given, which may hold anything.
 */
export const STAT_FORMAT = '%d %i %f %u %g %h %s %b %.9Y %.9Z %.9W %n\\0';
const FIELDS = 11;

export type Type = EntryKind | 'socket' | 'device';

/** The type bits of a mode (inode(7)). */
const TYPES: ReadonlyMap<number, Type> = new Map([
  [0o100000, 'file'],
  [0o040000, 'directory'],
  [0o120000, 'symlink'],
  [0o010000, 'fifo'],
  [0o140000, 'socket'],
]);
const TYPE_MASK = 0o170000;
const BLOCK_BYTES = 512;

/** One record of STAT_FORMAT. */
export interface StatRecord {
  readonly type: Type;
  readonly name: Buffer;
  readonly standing: Standing;
  /** The entry, if it is one that is captured. */
  entry(path: Buffer, target?: Buffer): Entry | undefined;
}

/** @throws RangeError where it is no such record */
export function recordOf(token: Buffer): StatRecord {
  let end = -1;
  for (let field = 0; field < FIELDS; field += 1) end = token.indexOf(0x20, end + 1);
  const fields = token.toString('latin1', 0, Math.max(0, end)).split(' ');
  if (end < 0 || fields.length !== FIELDS) throw new RangeError('stat has printed no record');
  const [dev, ino, rawMode, uid, gid, links, size, blocks, mtime, ctime, birth] = fields as [
    ...[string, string, string, string, string, string],
    ...[string, string, string, string, string],
  ];
  const raw = Number.parseInt(rawMode, 16);
  const type = TYPES.get(raw & TYPE_MASK) ?? 'device';
  const kind = type === 'socket' || type === 'device' ? undefined : type;
  const numbers = { mode: raw & 0o7777, dev: BigInt(dev), ino: BigInt(ino), birthNs: nanoseconds(birth) };
  return {
    type,
    name: token.subarray(end + 1),
    standing: { kind: kind ?? 'other', ...numbers },
    entry: (path, target) =>
      kind && {
        path,
        kind,
        ...numbers,
        uid: Number(uid),
        gid: Number(gid),
        sizeBytes: kind === 'file' ? Number(size) : 0,
        allocatedBytes: Number(blocks) * BLOCK_BYTES,
        mtimeNs: nanoseconds(mtime),
        ctimeNs: nanoseconds(ctime),
        links: Number(links),
        target,
      },
  };
}

/** Of seconds with nine decimals: `-1.500000000` is one and a half before the epoch. 0 for what is not known. */
function nanoseconds(seconds: string): bigint {
  return /^-?\d+\.\d{9}$/.test(seconds) ? BigInt(seconds.replace('.', '')) : 0n;
}
