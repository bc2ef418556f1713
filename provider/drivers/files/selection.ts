import picomatch from 'picomatch';

/** Whether an entry, named by its path relative to the captured folder, is left out. */
export interface Excluded {
  (path: Uint8Array): boolean;
  /** Names that are left out at any depth, and mean nothing but themselves to whoever matches names. */
  readonly names: readonly string[];
}

/**
 * Names that are not UTF-8 are matched with U+FFFD for each bad byte, so that `*` still fits them. A pattern
 * without a slash is matched against the last name of a path, another one against all of it.
 */
export function excluder(patterns: readonly string[] = []): Excluded {
  const trimmed = patterns.map((pattern) => pattern.replace(/\/+$/, '')).filter((pattern) => pattern !== '');
  if (trimmed.length === 0) return Object.assign(() => false, { names: [] });
  const names = matcher(trimmed.filter((pattern) => !pattern.includes('/')));
  const paths = matcher(trimmed.filter((pattern) => pattern.includes('/')));
  const isExcluded = (path: Uint8Array): boolean => {
    const text = Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString('utf8');
    return names(text.slice(text.lastIndexOf('/') + 1)) || paths(text);
  };
  return Object.assign(isExcluded, { names: trimmed.filter((pattern) => PLAIN.test(pattern)) });
}

function matcher(patterns: readonly string[]): (text: string) => boolean {
  return patterns.length === 0 ? () => false : picomatch([...patterns], { dot: true });
}

const PLAIN = /^(?!\.+$)[A-Za-z0-9_.-]+$/;
