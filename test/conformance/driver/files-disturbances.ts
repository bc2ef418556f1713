import { execFile, spawn } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { promisify } from 'node:util';
import { sleep } from '../../../provider/core/wait.ts';
import type { Disturbance } from './adapter.ts';
import type { Ground } from './files-ground.ts';

const run = promisify(execFile);

/** Writes both files of argv through mappings, one after the other, for a while; says when it has begun. */
const MAPPER = `
import mmap, sys, time
files = [open(path, 'r+b') for path in sys.argv[1:]]
maps = [mmap.mmap(file.fileno(), 0) for file in files]
for turn in range(40):
    value = (maps[0][0] + 1) % 256
    for each in maps:
        each[0] = value
    if turn == 0:
        print('begun', flush=True)
    time.sleep(0.01)
`;

/** What happens to folders that are in use, and goes unseen by those who copy them file by file. */
export function filesDisturbances(root: string, ground: Ground): Disturbance[] {
  return [
    {
      name: 'a folder renamed',
      changes: true,
      disturb: async () => {
        const [from, to] = existsSync(`${root}/moved/here`) ? ['here', 'there'] : ['there', 'here'];
        renameSync(`${root}/moved/${from}`, `${root}/moved/${to}`);
      },
    },
    {
      name: 'a folder made anew and swapped in',
      changes: true,
      disturb: async () => {
        const next = String(Number(readFileSync(`${root}/generation/0`, 'latin1')) + 1);
        mkdirSync(`${root}/next`);
        for (let index = 0; index < 20; index += 1) writeFileSync(`${root}/next/${index}`, next);
        rmSync(`${root}/generation`, { recursive: true });
        renameSync(`${root}/next`, `${root}/generation`);
      },
    },
    {
      name: 'a file replaced by an equal one of the same times',
      changes: true,
      disturb: async () => {
        await run('cp', ['-p', `${root}/static/plain`, `${root}/static/.plain`]);
        renameSync(`${root}/static/.plain`, `${root}/static/plain`);
      },
    },
    {
      name: 'a write whose time is set back',
      changes: true,
      disturb: async () => {
        const { atime, mtime } = statSync(`${root}/static/rewritten`);
        writeFileSync(`${root}/static/rewritten`, readFileSync(`${root}/static/rewritten`).reverse(), {
          flag: 'r+',
        });
        utimesSync(`${root}/static/rewritten`, atime, mtime);
      },
    },
    {
      name: 'modes set one after the other',
      changes: true,
      disturb: async () => {
        const mode = (statSync(`${root}/modes/0`).mode & 0o777) === 0o644 ? 0o600 : 0o644;
        for (let index = 0; index < 10; index += 1) {
          chmodSync(`${root}/modes/${index}`, mode);
          await sleep(1);
        }
      },
    },
    {
      name: 'a file that grows',
      changes: true,
      disturb: async () => {
        for (let turn = 0; turn < 5; turn += 1) {
          const pieces = statSync(`${root}/growing`).size / 100_000;
          appendFileSync(`${root}/growing`, Buffer.alloc(100_000, 97 + (pieces % 26)));
          await sleep(2);
        }
      },
    },
    {
      name: 'writes through a mapping that go on',
      changes: true,
      disturb: async (signal) => {
        const files = ['one', 'two'].map((name) => `${root}/mapped/${name}`);
        const [program = '', ...args] = ground.command(['python3', '-c', MAPPER, ...files]);
        const child = spawn(program, args, {
          stdio: ['ignore', 'pipe', 'inherit'],
          signal,
        });
        // Its end is awaited by the next look at what is left; ended early, it says so by this error.
        child.on('error', () => {});
        await new Promise((resolve, reject) => {
          child.stdout.once('data', resolve);
          child.once('close', (status) => reject(new Error(`wrote nothing and ended with ${status}`)));
        });
      },
    },
  ];
}
