import picomatch from 'picomatch';

/** Whether an entry, named by its path relative to the captured folder, is left out. */
export type Excluded = (path: Uint8Array) => boolean;

/**
 * Names that are not UTF-8 are matched with U+FFFD for each bad byte, so that `*` still fits them. A pattern
 * without a slash is matched against the last name of a path, another one against all of it.
 */
export function excluder(patterns: readonly string[] = []): Excluded {
  const trimmed = patterns.map((pattern) => pattern.replace(/\/+$/, '')).filter((pattern) => pattern !== '');
  if (trimmed.length === 0) return () => false;
  const names = matcher(trimmed.filter((pattern) => !pattern.includes('/')));
  const paths = matcher(trimmed.filter((pattern) => pattern.includes('/')));
  return (path) => {
    const text = Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString('utf8');
    return names(text.slice(text.lastIndexOf('/') + 1)) || paths(text);
  };
}

function matcher(patterns: readonly string[]): (text: string) => boolean {
  return patterns.length === 0 ? () => false : picomatch([...patterns], { dot: true });
}
