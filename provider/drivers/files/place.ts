import { constants, lstatSync } from 'node:fs';
import { access, lstat, readdir, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import { missing } from './scan.ts';
import type { FilesSpec } from './spec.ts';
import { ifThere, isCode } from './system-calls.ts';

/** Drivers run on the member's host by its commands; this one reads by system calls, so it has to be on it. */
export function insistOnLocal(host: Host): StasisError[] {
  if (host.name === 'local') return [];
  return [
    new StasisError(
      'files.not-local',
      `Files on ${host.name} cannot be reached: only those of this machine can.`,
      {
        hint: 'Run Stasis on the machine that has the files.',
        at: ['path'],
      },
    ),
  ];
}

/** The real path of what is captured. @throws StasisError `files.missing`, `files.rights` */
export async function locate(spec: FilesSpec): Promise<string> {
  const path = resolve(spec.path);
  try {
    return await realpath(path);
  } catch (error) {
    if (isCode(error, 'ENOENT', 'ENOTDIR')) throw missing(Buffer.from(path));
    throw placeError(path, error);
  }
}

/** The folder itself, or what a file lies in. */
export function folderOf(path: string): string {
  return ifThere(() => lstatSync(path))?.isDirectory() ? path : dirname(path);
}

/** Physical identities: the place, and where something is there, what it is. */
export function identitiesOf(realPath: string): string[] {
  const stats = ifThere(() => lstatSync(realPath, { bigint: true }));
  const place = `files:${realPath}`;
  return stats === undefined ? [place] : [`files:${stats.dev}:${stats.ino}`, place];
}

/** Where a tree is to be restored, and what is there now. */
export interface Target {
  /** Absolute; its parent is a real path. */
  readonly path: string;
  readonly parent: string;
  readonly base: string;
  readonly state: 'absent' | 'empty' | 'filled';
  readonly isFolder: boolean;
}

/**
 * A link is followed to what it names; what is not there yet is placed in its parent's real path.
 * @throws StasisError `files.no-parent`, `files.rights`, `files.root`
 */
export async function locateTarget(spec: FilesSpec): Promise<Target> {
  const wanted = resolve(spec.path);
  const path = await realpath(wanted).catch(async (error: unknown) => {
    if (!isCode(error, 'ENOENT')) throw placeError(wanted, error);
    return join(await parentOf(wanted), basename(wanted));
  });
  const parent = dirname(path);
  if (path === parent)
    throw new StasisError('files.root', 'The root of the file system cannot be replaced.', { at: ['path'] });
  const stats = await lstat(path).catch((error: unknown) => {
    if (isCode(error, 'ENOENT')) return undefined;
    throw placeError(path, error);
  });
  if (stats?.isSymbolicLink())
    throw new StasisError('files.dangling', `${path} is a link to nothing.`, {
      hint: 'Remove the link, or give the path that it should lead to.',
      at: ['path'],
    });
  const at = { path, parent, base: basename(path), isFolder: stats?.isDirectory() ?? false };
  if (stats === undefined) return { ...at, state: 'absent' };
  if (!stats.isDirectory()) return { ...at, state: 'filled' };
  const names = await readdir(path, { encoding: 'buffer' }).catch((error: unknown) => {
    throw placeError(path, error);
  });
  return { ...at, state: names.length === 0 ? 'empty' : 'filled' };
}

async function parentOf(path: string): Promise<string> {
  const parent = dirname(path);
  try {
    return await realpath(parent);
  } catch (error) {
    if (!isCode(error, 'ENOENT', 'ENOTDIR')) throw placeError(parent, error);
    throw new StasisError('files.no-parent', `The folder ${parent} does not exist.`, {
      hint: 'Create it first: a restore makes the last folder of a path only.',
      at: ['path'],
      cause: error,
    });
  }
}

/** Whether this process may make and rename entries in a folder. */
export async function isWritable(folder: string): Promise<boolean> {
  return access(folder, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** What the system said of a path, as an error at the user's attribute. */
export function placeError(path: string, cause: unknown): StasisError {
  if (isCode(cause, 'EACCES', 'EPERM'))
    return new StasisError('files.rights', `${path} must not be used by this user.`, {
      hint: 'Run as a user that may.',
      at: ['path'],
      cause,
    });
  if (isCode(cause, 'ELOOP', 'ENAMETOOLONG', 'ENOTDIR'))
    return new StasisError('files.bad-path', `${path} is no usable path: ${(cause as Error).message}.`, {
      at: ['path'],
      cause,
    });
  const message = cause instanceof Error ? cause.message : String(cause);
  return new StasisError('files.failed', `${path} cannot be used: ${message}.`, { at: ['path'], cause });
}
