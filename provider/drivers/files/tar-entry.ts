/**
 * Headers of the pax interchange format (POSIX.1-2001, pax(1)), which alone carries times to the nanosecond, names
 * and sizes of any length. GNU tar reads it back with holes as its sparse format 1.0.
 */
export interface TarHeader {
  readonly name: Uint8Array;
  readonly type: 'file' | 'link' | 'symlink' | 'directory' | 'fifo';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  /** Bytes that follow in the archive. */
  readonly sizeBytes: number;
  /** What a link leads to. */
  readonly target?: Uint8Array;
  /** Where the archive has only what is not zero: the whole file's size. */
  readonly sparseSizeBytes?: number;
}

export const TAR_BLOCK_BYTES = 512;
const TYPES = { file: '0', link: '1', symlink: '2', directory: '5', fifo: '6' } as const;
/** The largest number that eleven octal digits hold; what is larger stands in an extended header. */
const OCTAL_MAX = 0o77777777777;
const ID_MAX = 0o7777777;

/** An extended header with all that the plain one cannot hold, then the plain one. */
export function encodeHeader(header: TarHeader): Buffer {
  const extended = Buffer.concat(recordsOf(header).map(([key, value]) => record(key, value)));
  const { mode, uid, gid, sizeBytes } = header;
  return Buffer.concat([
    block({ name: Buffer.from('pax'), mode: 0o600, uid: 0, gid: 0, size: extended.length, type: 'x' }),
    extended,
    padding(extended.length),
    block({
      name: header.name.subarray(0, NAME_BYTES),
      mode,
      uid: Math.min(uid, ID_MAX),
      gid: Math.min(gid, ID_MAX),
      size: Math.min(sizeBytes, OCTAL_MAX),
      type: TYPES[header.type],
      target: header.target?.subarray(0, NAME_BYTES),
    }),
  ]);
}

const NAME_BYTES = 100;

function recordsOf(header: TarHeader): [string, Uint8Array][] {
  const records: [string, Uint8Array][] = [['mtime', Buffer.from(decimalSeconds(header.mtimeNs))]];
  const add = (key: string, value: string | number): void => {
    records.push([key, Buffer.from(String(value))]);
  };
  if (header.sparseSizeBytes === undefined) records.push(['path', header.name]);
  else {
    add('GNU.sparse.major', 1);
    add('GNU.sparse.minor', 0);
    records.push(['GNU.sparse.name', header.name]);
    add('GNU.sparse.realsize', header.sparseSizeBytes);
  }
  if (header.target) records.push(['linkpath', header.target]);
  if (header.sizeBytes > OCTAL_MAX) add('size', header.sizeBytes);
  if (header.uid > ID_MAX) add('uid', header.uid);
  if (header.gid > ID_MAX) add('gid', header.gid);
  return records;
}

/** Seconds with nine decimals, the sign before both: -1.5 s is `-1.500000000`. */
function decimalSeconds(ns: bigint): string {
  const magnitude = ns < 0n ? -ns : ns;
  const fraction = String(magnitude % 1_000_000_000n).padStart(9, '0');
  return `${ns < 0n ? '-' : ''}${magnitude / 1_000_000_000n}.${fraction}`;
}

/** `length key=value\n`, where the length counts itself. */
function record(key: string, value: Uint8Array): Buffer {
  const bare = key.length + value.length + 3;
  let length = bare + String(bare).length;
  if (bare + String(length).length > length) length = bare + String(length).length;
  return Buffer.concat([Buffer.from(`${length} ${key}=`), value, Buffer.from('\n')]);
}

interface Block {
  readonly name: Uint8Array;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly type: string;
  readonly target?: Uint8Array;
}

/** The 512 bytes of a ustar header. */
function block(fields: Block): Buffer {
  const bytes = Buffer.alloc(TAR_BLOCK_BYTES);
  const octal = (value: number, at: number, digits: number): void => {
    bytes.write(value.toString(8).padStart(digits, '0'), at, 'latin1');
  };
  bytes.set(fields.name, 0);
  octal(fields.mode, 100, 7);
  octal(fields.uid, 108, 7);
  octal(fields.gid, 116, 7);
  octal(fields.size, 124, 11);
  octal(0, 136, 11);
  bytes.fill(' ', 148, 156);
  bytes.write(fields.type, 156, 'latin1');
  if (fields.target) bytes.set(fields.target, 157);
  bytes.write('ustar\x0000', 257, 'latin1');
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return bytes;
}

export function padding(sizeBytes: number): Buffer {
  return Buffer.alloc((TAR_BLOCK_BYTES - (sizeBytes % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES);
}
