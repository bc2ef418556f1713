import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';

const isRoot = process.getuid?.() === 0;

/** A tree with one of each kind of thing that a folder can hold. */
export function everything(root: string): void {
  mkdirSync(`${root}/sub/deeper`, { recursive: true });
  writeFileSync(`${root}/plain.txt`, 'content');
  writeFileSync(`${root}/empty`, '');
  writeFileSync(`${root}/setuid`, '#!/bin/sh\n');
  chmodSync(`${root}/setuid`, 0o6751);
  writeFileSync(`${root}/closed`, 'nobody reads this', { mode: 0o000 });
  chmodSync(`${root}/closed`, isRoot ? 0o000 : 0o400);
  chmodSync(`${root}/sub`, 0o1777);
  writeFileSync(`${root}/sub/large`, Buffer.alloc(3_000_000, 'large '));
  writeFileSync(`${root}/twin`, Buffer.alloc(600_000, 'twin '));
  writeFileSync(`${root}/sub/twin`, Buffer.alloc(600_000, 'twin '));
  linkSync(`${root}/plain.txt`, `${root}/sub/hard`);
  linkSync(`${root}/plain.txt`, `${root}/another`);
  symlinkSync('plain.txt', `${root}/link`);
  symlinkSync('/nowhere/at/all', `${root}/dangling`);
  symlinkSync('../..', `${root}/sub/up`);
  lutimesSync(`${root}/dangling`, 1, 1_234_567);
  execFileSync('mkfifo', [`${root}/fifo`]);
  for (const name of [
    Buffer.from([0xff, 0xfe, 0x0a]),
    Buffer.from('größe'),
    Buffer.from('back\\slash\t'),
    Buffer.from(' -rf'),
  ])
    writeFileSync(Buffer.concat([Buffer.from(`${root}/sub/deeper/`), name]), name);
  const sparse = openSync(`${root}/sparse`, 'w');
  writeSync(sparse, 'begin', 0);
  writeSync(sparse, 'end', 8_000_000);
  closeSync(sparse);
  truncateSync(`${root}/sparse`, 10_000_000);
  utimesSync(`${root}/plain.txt`, 1, 1_500_000_000.25);
  utimesSync(`${root}/sub/deeper`, 1, 981_173_106);
}
