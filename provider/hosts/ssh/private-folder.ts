import { rmSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PREFIX = 'stasis-ssh-';
/** What a Unix socket's path may be long (108 bytes with its NUL, unix(7)), less what ssh appends while it makes one. */
const PATH_MAX_BYTES = 108 - 1 - 20;
/** What we put into the folder: `forward-99`. */
const NAME_MAX_BYTES = 12;

const ours = new Set<string>();
process.once('exit', () => {
  for (const path of ours) rmSync(path, { recursive: true, force: true });
});

/** A folder for control sockets and known hosts: nothing in it is secret, but whoever opens a socket in it is us. */
export async function makePrivateFolder(): Promise<string> {
  await sweep();
  const longest = join(tmpdir(), `${PREFIX}${process.pid}-XXXXXX`).length + NAME_MAX_BYTES;
  const base = longest > PATH_MAX_BYTES ? '/tmp' : tmpdir();
  const path = await mkdtemp(join(base, `${PREFIX}${process.pid}-`));
  ours.add(path);
  return path;
}

export async function dropPrivateFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
  ours.delete(path);
}

let swept: Promise<void> | undefined;

/** Folders of processes that were killed. Once a process. */
function sweep(): Promise<void> {
  swept ??= (async () => {
    for (const base of new Set([tmpdir(), '/tmp']))
      for (const name of await readdir(base).catch(() => [])) {
        const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
        if (pid !== undefined && !isRunning(Number(pid)))
          await rm(join(base, name), { recursive: true, force: true }).catch(() => undefined);
      }
  })();
  return swept;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
