import { readFileSync, statfsSync } from 'node:fs';
import { type FileSystem, fileSystemOf, nameOfMagic, type Room, roomOf } from '../filesystem.ts';
import { MOUNTS_FILE, type Mount, mountsAbove, mountsIn, upperFolder } from '../mounts.ts';
import { ifThere } from '../system-calls.ts';

export function fileSystemAt(path: string | Buffer): FileSystem {
  const name = nameOfMagic(statfsSync(path).type);
  return fileSystemOf(name, name === 'overlay' ? upperFileSystems(path) : []);
}

export function roomAt(path: string): Room {
  const { bavail, bsize, ffree, files } = statfsSync(path);
  return roomOf(bavail * bsize, ffree, files);
}

function upperFileSystems(path: string | Buffer): string[] {
  const text = Buffer.from(path).toString('latin1');
  const mount = mountsAbove(mounts(), text).find(({ type }) => type === 'overlay');
  const upper = mount && upperFolder(mount);
  if (upper === undefined) return [];
  const stats = ifThere(() => statfsSync(Buffer.from(upper, 'latin1')));
  return stats === undefined ? [] : [nameOfMagic(stats.type)];
}

/** Whether a file system is mounted exactly here. */
export function isMountPoint(realPath: string): boolean {
  const text = Buffer.from(realPath).toString('latin1');
  return mounts().some(({ point }) => point === text);
}

function mounts(): Mount[] {
  return mountsIn(readFileSync(MOUNTS_FILE, 'latin1'));
}
