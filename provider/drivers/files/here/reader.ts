import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import type { Care, WholeFile } from '../access.ts';
import { type Entry, entryOf } from '../entry.ts';
import { accepts, Changed, unreadable } from '../reading.ts';
import { absolute } from '../scan.ts';
import { ifThere, isCode } from '../system-calls.ts';

/** A file is read in pieces of this size. */
const PIECE_BYTES = 1024 * 1024;

/** All of a small file; undefined when it is gone or, read exactly, no longer as it was. */
export function readWhole(root: Buffer, entry: Entry, care: Care): WholeFile | undefined {
  const fd = openFile(root, entry);
  if (fd === undefined) return undefined;
  try {
    const before = seen(fd, entry);
    if (before === undefined || !accepts(care, entry, before)) return undefined;
    const data = Buffer.allocUnsafe(before.sizeBytes);
    let length = 0;
    for (let read = -1; read !== 0 && length < data.length; length += read)
      read = readSync(fd, data, length, data.length - length, length);
    const after = seen(fd, entry);
    if (after === undefined || !accepts(care, entry, after)) return undefined;
    return { entry: { ...after, sizeBytes: length }, data: data.subarray(0, length) };
  } finally {
    closeSync(fd);
  }
}

/**
 * A large file piece by piece, as long as it was when opened. `done` is told how it looked after the last byte.
 * @throws Changed when it is gone or, read exactly, no longer as it was.
 */
export async function* readPieces(
  root: Buffer,
  entry: Entry,
  care: Care,
  done: (entry: Entry) => void = () => {},
): AsyncGenerator<Buffer> {
  const fd = openFile(root, entry);
  if (fd === undefined) throw new Changed();
  try {
    const before = seen(fd, entry);
    if (before === undefined || !accepts(care, entry, before)) throw new Changed();
    let length = 0;
    while (length < before.sizeBytes) {
      const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, before.sizeBytes - length));
      const read = readSync(fd, piece, 0, piece.length, length);
      if (read === 0) break;
      length += read;
      yield piece.subarray(0, read);
      await turn();
    }
    const after = seen(fd, entry);
    if (after === undefined || !accepts(care, entry, after)) throw new Changed();
    done({ ...after, sizeBytes: length });
  } finally {
    closeSync(fd);
  }
}

/**
 * Opens without following a link that took the file's place, without waiting for a FIFO's other end, and where it is
 * allowed without touching the access time.
 */
function openFile(root: Buffer, entry: Entry): number | undefined {
  const where = absolute(root, entry.path);
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  try {
    return ifThere(() => {
      try {
        return openSync(where, flags | constants.O_NOATIME);
      } catch (error) {
        // Only the owner and root may leave the access time alone (open(2)).
        if (isCode(error, 'EPERM')) return openSync(where, flags);
        throw error;
      }
    });
  } catch (error) {
    if (isCode(error, 'EACCES', 'EPERM')) throw unreadable([entry.path]);
    throw error;
  }
}

function seen(fd: number, entry: Entry): Entry | undefined {
  const stats: BigIntStats = fstatSync(fd, { bigint: true });
  return stats.isFile() ? entryOf(entry.path, 'file', stats) : undefined;
}
