import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The kernel's limit of a Unix socket's path is 108 bytes on Linux and 104 on macOS, its closing zero included. */
const PATH_MAX_BYTES = 103;

export interface SocketPlace {
  readonly path: string;
  /** Synchronous, for it runs when the process exits. */
  remove(): void;
}

/** A place for a socket in a new folder that only we may enter. */
export function createSocketPlace(wanted: string | undefined): SocketPlace {
  const name = `stasis-${process.pid}-XXXXXX/plugin`;
  const parents = [wanted ?? tmpdir(), '/tmp'];
  const parent = parents.find((folder) => Buffer.byteLength(join(folder, name)) <= PATH_MAX_BYTES) ?? '/tmp';
  const folder = mkdtempSync(join(parent, `stasis-${process.pid}-`));
  // mkdtemp makes it 0700 less the umask, which may take too much.
  chmodSync(folder, 0o700);
  return { path: join(folder, 'plugin'), remove: () => rmSync(folder, { recursive: true, force: true }) };
}
