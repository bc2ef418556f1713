import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFile,
  chmod,
  link,
  mkdir,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { next, type Way } from './way.ts';

const WITH_FOLDER = ['a', 'redis', 'folder'] as const;

/** Something happens in the folder between the two scans of each cut. */
function folderWay(
  name: string,
  act: (folder: string) => Promise<void>,
  cleanUp?: (folder: string) => Promise<void>,
): Way {
  return {
    name: `files: ${name} between the scans`,
    members: WITH_FOLDER,
    sabotage: async ({ folder }) => ({ folder: { afterEpoch: () => act(folder) } }),
    cleanUp: cleanUp && (({ folder }) => cleanUp(folder)),
  };
}

export const folderWays: Way[] = [
  folderWay('a file is written', (folder) => writeFile(join(folder, 'f1'), `changed ${next()}`)),
  folderWay('a file grows', (folder) => appendFile(join(folder, 'f2'), '.')),
  folderWay('a file appears', (folder) => writeFile(join(folder, `new${next()}`), 'x')),
  folderWay('a file is renamed', async (folder) => {
    const name = join(folder, `from${next()}`);
    await writeFile(name, 'x');
    await rename(name, join(folder, 'renamed'));
  }),
  folderWay('a file is deleted', async (folder) => {
    await rm(join(folder, `f${3 + (next() % 30)}`), { force: true });
    await writeFile(join(folder, `f${3 + (next() % 30)}`), 'back');
  }),
  folderWay('a mode changes', (folder) => chmod(join(folder, 'f39'), next() % 2 === 0 ? 0o600 : 0o640)),
  folderWay('a file is rewritten in place with its times set back', async (folder) => {
    const path = join(folder, 'f38');
    const before = await stat(path);
    await writeFile(path, `file ${String(next() % 100).padStart(2, '0')}`);
    await utimes(path, before.atime, before.mtime);
  }),
  folderWay('a symbolic link is turned', async (folder) => {
    await rm(join(folder, 'link'), { force: true });
    await symlink(`f${next()}`, join(folder, 'link'));
  }),
  folderWay('a hard link is made', (folder) => link(join(folder, 'f37'), join(folder, `hard${next()}`))),
  folderWay('a folder appears', (folder) => mkdir(join(folder, `dir${next()}`)).then(() => {})),
  mappedWrite(),
];

/** A process has a file mapped writable and writes through the map: its times need not move. */
function mappedWrite(): Way {
  let writer: ChildProcess | undefined;
  return {
    name: 'files: a file is written through a shared map',
    members: WITH_FOLDER,
    sabotage: async ({ folder }) => {
      const script = [
        'import mmap, sys, time',
        `f = open(${JSON.stringify(join(folder, 'f35'))}, 'r+b')`,
        'm = mmap.mmap(f.fileno(), 0)',
        "print('ready', flush=True)",
        'n = 0',
        'end = time.time() + 120',
        'while time.time() < end:',
        '    n += 1',
        '    m[0:4] = n.to_bytes(4, "big")',
        '    time.sleep(0.001)',
      ].join('\n');
      writer = spawn('python3', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
      await once(writer.stdout!, 'data');
      return {};
    },
    cleanUp: async () => {
      if (!writer || writer.exitCode !== null) return;
      writer.kill('SIGKILL');
      await once(writer, 'exit');
    },
  };
}
