const NUL = Buffer.alloc(1);
const PATHS_A_CHUNK = 1024;

/** Paths as programs take them from their standard input: argv of Node cannot hold all bytes. */
export async function* nulTerminated(paths: readonly Buffer[]): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < paths.length; from += PATHS_A_CHUNK)
    yield Buffer.concat(paths.slice(from, from + PATHS_A_CHUNK).flatMap((path) => [path, NUL]));
}

/** What stands before each NUL. */
export function* tokensIn(bytes: Buffer): Generator<Buffer> {
  for (let from = 0; from < bytes.length; ) {
    const end = bytes.indexOf(0, from);
    if (end < 0) return;
    yield bytes.subarray(from, end);
    from = end + 1;
  }
}
