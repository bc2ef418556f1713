import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StasisError } from '../core/errors.ts';

export interface Installed {
  /** The plugin's executable. */
  readonly path: string;
  readonly version: string;
  /** False when it was there already, the same. */
  readonly changed: boolean;
}

/** The version of the package in this folder. @throws StasisError `install.damaged` */
export async function packageVersion(root: string): Promise<string> {
  try {
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    if (typeof version === 'string') return version;
  } catch (error) {
    throw damaged(root, error);
  }
  throw damaged(root);
}

function damaged(root: string, cause?: unknown): StasisError {
  return new StasisError('install.damaged', `${root} does not hold the stasis package.`, { cause });
}

/**
 * Puts a script at `path` that starts `program`, and says whether it was not there before. It is a few lines, the same
 * for every build of one version.
 *
 * @throws StasisError `install.refused`
 */
export async function installLauncher(path: string, program: string): Promise<boolean> {
  const script = launcher(program);
  if ((await readFile(path, 'utf8').catch(() => undefined)) === script) return false;
  await write(path, script).catch((error: unknown) => {
    throw new StasisError('install.refused', `The plugin cannot be written to ${path}.`, { cause: error });
  });
  return true;
}

/** A reason on stdout, in place of the handshake, is what the engine shows to the user. */
function launcher(program: string): string {
  const quoted = `'${program.replaceAll("'", `'\\''`)}'`;
  return `#!/bin/sh
# Written by "stasis install". Starts the plugin from the folder in which Stasis is installed.
plugin=${quoted}
if [ ! -x "$plugin" ]; then
  echo "stasis cannot start: $plugin is gone; run \\"stasis install\\" again from where Stasis is now."
  exit 1
fi
exec "$plugin" "$@"
`;
}

/** Whole or not at all: an engine may be starting it. */
async function write(path: string, script: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const part = `${path}.${process.pid}.part`;
  try {
    await writeFile(part, script);
    await chmod(part, 0o755);
    await rename(part, path);
  } finally {
    await rm(part, { force: true });
  }
}
