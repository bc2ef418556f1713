import { StasisError } from '../../core/errors.ts';
import { isCode } from './durable.ts';

/** What the file system said, as an error of the store at `location`; ours are left as they are. */
export function diskError(error: unknown, location: string): unknown {
  const [code, message, hint] = explain(error, location) ?? [];
  if (code === undefined || message === undefined) return error;
  return new StasisError(code, message, { hint, at: ['path'], cause: error });
}

function explain(error: unknown, location: string): readonly [string, string, string] | undefined {
  if (isCode(error, 'ENOSPC', 'EDQUOT'))
    return [
      'store.no-space',
      `The disk of the store ${location} is full.`,
      'Free some space, remove old generations, or name a store elsewhere.',
    ];
  if (isCode(error, 'EROFS', 'EACCES', 'EPERM'))
    return [
      'store.read-only',
      `The store ${location} cannot be written or read by this user.`,
      'Give the user the rights to the folder, or name another one.',
    ];
  if (isCode(error, 'ENOTDIR', 'EEXIST'))
    return [
      'store.not-a-folder',
      `The store ${location} is not a folder, or lies below a file.`,
      'Name a folder; it is made when it is missing.',
    ];
  if (
    isCode(
      error,
      'EIO',
      'ESTALE',
      'ENXIO',
      'ENODEV',
      'ETIMEDOUT',
      'ELOOP',
      'ENAMETOOLONG',
      'EMFILE',
      'ENFILE',
    )
  )
    return [
      'store.unreachable',
      `The store ${location} cannot be reached.`,
      'Look after the disk or mount that it lies on.',
    ];
  return undefined;
}

export async function withDiskErrors<T>(location: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw diskError(error, location);
  }
}
