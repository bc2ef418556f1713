import { basename, dirname, join } from 'node:path';
import { StasisError } from '../../core/errors.ts';
import type { TreeAccess } from './access.ts';
import { missing } from './scan.ts';
import type { FilesSpec } from './spec.ts';
import { isCode } from './system-calls.ts';

/** The real path of what is captured. @throws StasisError `files.missing`, `files.rights`, `files.relative-path` */
export async function locate(spec: FilesSpec, access: TreeAccess): Promise<string> {
  const path = access.absolute(spec.path);
  try {
    return await access.realPath(path);
  } catch (error) {
    if (isCode(error, 'ENOENT', 'ENOTDIR')) throw missing(Buffer.from(path));
    throw placeError(path, error);
  }
}

/** The folder itself, or what a file lies in. */
export async function folderOf(path: string, access: TreeAccess): Promise<string> {
  return (await access.standing(path))?.kind === 'directory' ? path : dirname(path);
}

/** Physical identities: the place, and where something is there, what it is. Equal however the machine is logged in to. */
export async function identitiesOf(realPath: string, access: TreeAccess): Promise<string[]> {
  const [stats, { paths, inodes }] = await Promise.all([access.standing(realPath), access.self()]);
  const place = `files:${paths}:${realPath}`;
  return stats === undefined ? [place] : [`files:${inodes}:${stats.dev}:${stats.ino}`, place];
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
 * @throws StasisError `files.no-parent`, `files.rights`, `files.root`, `files.relative-path`
 */
export async function locateTarget(spec: FilesSpec, access: TreeAccess): Promise<Target> {
  const wanted = access.absolute(spec.path);
  const path = await access.realPath(wanted).catch(async (error: unknown) => {
    if (!isCode(error, 'ENOENT')) throw placeError(wanted, error);
    return join(await parentOf(wanted, access), basename(wanted));
  });
  const parent = dirname(path);
  if (path === parent)
    throw new StasisError('files.root', 'The root of the file system cannot be replaced.', { at: ['path'] });
  const step = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      throw placeError(path, error);
    });
  const standing = await step(access.standing(path));
  if (standing?.kind === 'symlink')
    throw new StasisError('files.dangling', `${path} is a link to nothing.`, {
      hint: 'Remove the link, or give the path that it should lead to.',
      at: ['path'],
    });
  const isFolder = standing?.kind === 'directory';
  const at = { path, parent, base: basename(path), isFolder };
  if (standing === undefined) return { ...at, state: 'absent' };
  return { ...at, state: isFolder && (await step(access.isEmpty(path))) ? 'empty' : 'filled' };
}

async function parentOf(path: string, access: TreeAccess): Promise<string> {
  const parent = dirname(path);
  try {
    return await access.realPath(parent);
  } catch (error) {
    if (!isCode(error, 'ENOENT', 'ENOTDIR')) throw placeError(parent, error);
    throw new StasisError('files.no-parent', `The folder ${parent} does not exist.`, {
      hint: 'Create it first: a restore makes the last folder of a path only.',
      at: ['path'],
      cause: error,
    });
  }
}

/** What the system said of a path, as an error at the user's attribute. */
export function placeError(path: string, cause: unknown): StasisError {
  if (cause instanceof StasisError) return cause;
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
