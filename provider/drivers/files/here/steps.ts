import { constants, readFileSync, readlinkSync } from 'node:fs';
import {
  access,
  chmod,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  rmdir,
} from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Self, Standing, Steps } from '../access.ts';
import { kindOf } from '../entry.ts';
import { GROUPS_FILE, type OwnerNames, ownerNames, USERS_FILE } from '../owners.ts';
import { ifThere, isCode } from '../system-calls.ts';
import { isMountPoint, roomAt } from './filesystem.ts';

export const localSteps: Steps = {
  self: async () => selfHere(),
  owners: async () => ownersHere(),
  absolute: (path) => resolve(path),
  realPath: (path) => realpath(path),
  standing,
  isEmpty: async (folder) => (await readdir(folder, { encoding: 'buffer' })).length === 0,
  isWritable: (folder) =>
    access(folder, constants.W_OK | constants.X_OK).then(
      () => true,
      () => false,
    ),
  isMountPoint: async (path) => isMountPoint(path),
  room: async (folder) => roomAt(folder),
  makeFolder: (path) => mkdir(path, { mode: 0o700 }),
  removeEmptyFolder: (path) => rmdir(path),
  rename: (from, to) => rename(from, to),
  chmod: (path, mode) => chmod(path, mode),
  readText: (path) =>
    readFile(path, 'utf8').catch((error: unknown) => {
      if (isCode(error, 'ENOENT', 'EACCES')) return undefined;
      throw error;
    }),
  writeText,
  removeFile: (path) => rm(path, { force: true }),
  syncFolder,
};

function selfHere(): Self {
  const boot = ifThere(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1'))?.trim() ?? '';
  const mounted = ifThere(() => readlinkSync('/proc/self/ns/mnt')) ?? '';
  return {
    uid: process.geteuid?.() ?? 0,
    groups: [...(process.getgroups?.() ?? []), process.getegid?.() ?? 0],
    platform: process.platform,
    paths: `${boot}/${mounted}`,
    inodes: boot,
  };
}

function ownersHere(): OwnerNames {
  const textOf = (file: string): string => ifThere(() => readFileSync(file, 'utf8')) ?? '';
  return ownerNames(textOf(USERS_FILE), textOf(GROUPS_FILE));
}

async function standing(path: string): Promise<Standing | undefined> {
  const stats = await lstat(path, { bigint: true }).catch((error: unknown) => {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (stats === undefined) return undefined;
  const { dev, ino, birthtimeNs: birthNs } = stats;
  return { kind: kindOf(stats) ?? 'other', mode: Number(stats.mode & 0o7777n), dev, ino, birthNs };
}

async function writeText(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  await syncFolder(dirname(path));
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
