/** What a call gives; undefined when there is no such entry any more, or another one took its place. */
export function ifThere<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (isCode(error, 'ENOENT', 'ENOTDIR', 'EINVAL', 'ELOOP', 'ESRCH')) return undefined;
    throw error;
  }
}

/** Whether a system call failed with one of these errors. */
export function isCode(error: unknown, ...codes: string[]): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && codes.includes(String(error.code));
}
