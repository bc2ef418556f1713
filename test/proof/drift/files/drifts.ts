import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  fsyncSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { Drift } from '../drift.ts';
import { byHand, type FilesTwin } from './twin.ts';

/** Does something to a path, and sets the times of the path and of the folder that it lies in back. */
function quietly(path: string, act: () => void): void {
  const times = [path, dirname(path)].map((each) => stampOf(each));
  act();
  for (const set of times) set();
}

/** To the nanosecond, which Node cannot. */
function stampOf(path: string): () => void {
  const shown = execFileSync('stat', ['-c', '%y', path]).toString().trim();
  return () => {
    try {
      execFileSync('touch', ['-h', '-c', '-d', shown, path]);
    } catch {
      // It is what was removed.
    }
  };
}

function overwrite(path: string, bytes: string | Uint8Array, at: number): void {
  const file = openSync(path, 'r+');
  try {
    writeSync(file, Buffer.from(bytes), 0, bytes.length, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

const CONTENT: readonly Drift<FilesTwin>[] = [
  byHand('a byte in the middle of a file, its times set back', ['file/sub/large'], ({ at }) =>
    quietly(at('sub', 'large'), () => overwrite(at('sub', 'large'), '!', 1_500_000)),
  ),
  byHand('a byte more at the end', ['file/twin'], ({ at }) =>
    quietly(at('twin'), () => writeFileSync(at('twin'), '.', { flag: 'a' })),
  ),
  byHand('a file cut short', ['file/twin'], ({ at }) =>
    quietly(at('twin'), () => truncateSync(at('twin'), 599_999)),
  ),
  byHand('a file of the same length and time', ['file/empty'], ({ at }) =>
    quietly(at('empty'), () => writeFileSync(at('empty'), '\0')),
  ),
  byHand('a byte at the end of a file with holes', ['file/sparse'], ({ at }) =>
    quietly(at('sparse'), () => overwrite(at('sparse'), 'x', 9_999_999)),
  ),
  byHand('all holes of a file filled with zeros', ['holes/sparse'], ({ at }) =>
    quietly(at('sparse'), () => overwrite(at('sparse'), readFileSync(at('sparse')), 0)),
  ),
];

const NAMES: readonly Drift<FilesTwin>[] = [
  byHand('a file more', ['file/sub/new'], ({ at }) =>
    quietly(at('sub'), () => quietly(at('sub', 'twin'), () => writeFileSync(at('sub', 'new'), ''))),
  ),
  byHand('a file less', ['file/sub/twin'], ({ at }) =>
    quietly(at('sub', 'twin'), () => rmSync(at('sub', 'twin'))),
  ),
  byHand('an empty folder less', ['file/hollow'], ({ at }) =>
    quietly(at('hollow'), () => rmdirSync(at('hollow'))),
  ),
  byHand('an empty folder for a file', ['file/empty'], ({ at }) =>
    quietly(at('empty'), () => {
      rmSync(at('empty'));
      mkdirSync(at('empty'), { mode: 0o644 });
    }),
  ),
  byHand('the case of a name', ['file/Twin', 'file/twin'], ({ at }) =>
    quietly(at('twin'), () => renameSync(at('twin'), at('Twin'))),
  ),
  byHand('two files that changed names', ['file/empty', 'file/twin'], ({ at }) =>
    quietly(at('empty'), () => {
      renameSync(at('empty'), at('other'));
      renameSync(at('twin'), at('empty'));
      renameSync(at('other'), at('twin'));
    }),
  ),
  byHand('where a symbolic link points', ['file/link'], ({ at }) =>
    quietly(at('link'), () => {
      rmSync(at('link'));
      symlinkSync('./plain.txt', at('link'));
    }),
  ),
  byHand('a symbolic link to nothing less', ['file/dangling'], ({ at }) =>
    quietly(at('dangling'), () => rmSync(at('dangling'))),
  ),
  byHand('a hard link that is a file of its own', ['file/sub/hard'], ({ at }) =>
    quietly(at('sub', 'hard'), () => {
      execFileSync('cp', ['-a', at('sub', 'hard'), at('sub', 'own')]);
      renameSync(at('sub', 'own'), at('sub', 'hard'));
    }),
  ),
  byHand('two equal files that are one', ['file/twin'], ({ at }) =>
    quietly(at('plain.txt'), () => {
      rmSync(at('twin'));
      linkSync(at('sub', 'twin'), at('twin'));
    }),
  ),
  byHand('a FIFO less', ['file/fifo'], ({ at }) => quietly(at('fifo'), () => rmSync(at('fifo')))),
];

const ATTRIBUTES: readonly Drift<FilesTwin>[] = [
  byHand('a mode bit', ['file/twin'], ({ at }) => chmodSync(at('twin'), 0o645)),
  byHand('a setuid bit', ['file/setuid'], ({ at }) => chmodSync(at('setuid'), 0o2751)),
  byHand("a folder's sticky bit", ['file/sub'], ({ at }) => chmodSync(at('sub'), 0o777)),
  byHand('an owner', ['file/twin'], ({ at }) => chownSync(at('twin'), 7, 0)),
  byHand('a group', ['file/sub'], ({ at }) => chownSync(at('sub'), 0, 7)),
  byHand("a file's time, by a nanosecond", ['file/twin'], ({ at }) => {
    const [, fraction] = /\.(\d{9})/.exec(execFileSync('stat', ['-c', '%y', at('twin')]).toString())!;
    const seconds = Math.floor(statSync(at('twin')).mtimeMs / 1000);
    const other = String((Number(fraction) + 1) % 1_000_000_000).padStart(9, '0');
    execFileSync('touch', ['-d', `@${seconds}.${other}`, at('twin')]);
  }),
  byHand("a folder's time", ['file/sub/deeper'], ({ at }) => utimesSync(at('sub', 'deeper'), 1, 981_173_107)),
  byHand("a symbolic link's time", ['file/dangling'], ({ at }) => lutimesSync(at('dangling'), 1, 1_234_568)),
  byHand('the value of an extended attribute', ['file/program'], ({ at }) =>
    execFileSync('setfattr', ['-n', 'user.colour', '-v', 'rot', at('program')]),
  ),
  byHand('an extended attribute less', ['file/program'], ({ at }) =>
    execFileSync('setfattr', ['-x', 'user.colour', at('program')]),
  ),
  byHand('who an ACL lets read', ['file/program'], ({ at }) =>
    execFileSync('setfacl', ['-x', 'u:7', '-m', 'u:8:r', at('program')]),
  ),
  byHand('a capability', ['file/program'], ({ at }) =>
    execFileSync('setcap', ['cap_net_bind_service,cap_net_raw=ep', at('program')]),
  ),
  byHand('that a file was read', [], ({ at }) => readFileSync(at('twin')), { harmless: true }),
  byHand(
    'a file in the same place under another inode',
    [],
    ({ at }) =>
      quietly(at('twin'), () => {
        execFileSync('cp', ['-a', at('twin'), at('copy')]);
        renameSync(at('copy'), at('twin'));
      }),
    { harmless: true },
  ),
];

export const FILES_DRIFTS: readonly Drift<FilesTwin>[] = [...CONTENT, ...NAMES, ...ATTRIBUTES];
