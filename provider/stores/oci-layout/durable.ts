import { randomBytes } from 'node:crypto';
import { type FileHandle, link, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type ProcessIdentity, thisProcess } from './holder.ts';

/** Replaces a file at once and for good: readers see the old content or the new, also after a power cut. */
export async function writeDurably(
  file: string,
  content: string | Uint8Array,
  temporary: string,
): Promise<void> {
  await throughTemporary(content, temporary, (written) => rename(written, file));
  await syncFolder(dirname(file));
}

/** Makes a file with its content unless it is there. Returns whether it was made. */
export async function createDurably(
  file: string,
  content: string | Uint8Array,
  temporary: string,
): Promise<boolean> {
  if (await exists(file)) return false;
  const made = await throughTemporary(content, temporary, (written) => linkNew(written, file));
  if (made) await syncFolder(dirname(file));
  return made;
}

/** Whether `file` was made as another name of `written`; false when it was there already. */
export async function linkNew(written: string, file: string): Promise<boolean> {
  try {
    await link(written, file);
    return true;
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    throw error;
  }
}

/** Writes a temporary file and hands it to `use`; it is gone afterwards. Synced, unless it need not outlive us. */
export async function throughTemporary<T>(
  content: string | Uint8Array,
  temporary: string,
  use: (written: string) => Promise<T>,
  synced = true,
): Promise<T> {
  await mkdir(temporary, { recursive: true });
  const written = join(temporary, await temporaryName());
  try {
    const handle = await open(written, 'wx');
    try {
      await handle.writeFile(content);
      if (synced) await handle.datasync();
    } finally {
      await handle.close();
    }
    return await use(written);
  } finally {
    await rm(written, { force: true });
  }
}

/** Makes the names in a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Writes all of the parts: one call may write only some of them. */
export async function writeAll(handle: FileHandle, parts: readonly Uint8Array[]): Promise<void> {
  let left = [...parts];
  while (left.length > 0) {
    let { bytesWritten } = await handle.writev(left);
    while (left.length > 0 && bytesWritten >= left[0]!.length) bytesWritten -= left.shift()!.length;
    if (bytesWritten > 0) left = [left[0]!.subarray(bytesWritten), ...left.slice(1)];
  }
}

/** The names of temporary files say whose they are, so that a dead process's can be swept. */
async function temporaryName(): Promise<string> {
  const { pid, startTime, bootId, pidNamespace } = await thisProcess();
  const namespace = pidNamespace.replace(/\D/g, '');
  return `${pid}_${startTime}_${bootId}_${namespace}_${randomBytes(8).toString('hex')}`;
}

export function ownerOfTemporary(name: string): ProcessIdentity | undefined {
  const [pid, startTime, bootId, namespace, ...rest] = name.split('_');
  if (rest.length !== 1 || !Number.isSafeInteger(Number(pid))) return undefined;
  return {
    pid: Number(pid),
    startTime: startTime ?? '',
    bootId: bootId ?? '',
    pidNamespace: namespace === '' ? '' : `pid:[${namespace}]`,
    hostname: '',
  };
}

/** The time by the clock that stamps this folder's files, which may be another machine's. Unix milliseconds. */
export async function folderTimeMs(folder: string): Promise<number> {
  const probe = join(folder, await temporaryName());
  const handle = await open(probe, 'wx');
  try {
    return (await handle.stat()).mtimeMs;
  } finally {
    await handle.close();
    await rm(probe, { force: true });
  }
}

/** Stamps a JSON file as changed now, by the clock of whoever keeps the folder: it begins with a brace already. */
export async function touch(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.write('{', 0);
  } finally {
    await handle.close();
  }
}

export async function exists(file: string): Promise<boolean> {
  return (await sizeOf(file)) !== undefined;
}

/** Undefined when there is no such file. */
export async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (isCode(error, 'ENOENT') || isCode(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}

export function isCode(error: unknown, ...codes: readonly string[]): boolean {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && codes.includes(code);
}
