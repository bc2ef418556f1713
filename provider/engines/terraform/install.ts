import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { StasisError } from '../../core/errors.ts';
import { type EngineName, PROVIDER_TYPE, providerAddress } from './naming.ts';

export interface InstallOptions {
  readonly engine: EngineName;
  /** The folder of this package: with `bin/`, `dist/` and package.json. */
  readonly root: string;
  /** Whose plugins; the user's own unless said. */
  readonly home?: string;
}

export interface Installed {
  /** The plugin's executable. */
  readonly path: string;
  readonly version: string;
  /** False when it was there already, the same. */
  readonly changed: boolean;
}

/** Go's names of machines, as registries use them. */
const OS: Readonly<Partial<Record<NodeJS.Platform, string>>> = { linux: 'linux', darwin: 'darwin' };
const ARCHITECTURE: Readonly<Partial<Record<NodeJS.Architecture, string>>> = { x64: 'amd64', arm64: 'arm64' };

/**
 * Puts the plugin where `terraform init` and `tofu init` look without any configuration file. What is put there is a
 * script that starts the plugin from this package's folder: a few lines, the same for every build of one version, so
 * that a lock file stays valid. Installing again changes nothing.
 *
 * @throws StasisError `install.platform`, `install.damaged`, `install.refused`
 */
export async function installPlugin(options: InstallOptions): Promise<Installed> {
  const root = resolve(options.root);
  const version = await versionOf(root);
  const path = pluginPath(options.engine, version, options.home ?? homedir());
  const script = launcher(join(root, 'bin', `terraform-provider-${PROVIDER_TYPE}`));
  if ((await readFile(path, 'utf8').catch(() => undefined)) === script)
    return { path, version, changed: false };
  await write(path, script).catch((error: unknown) => {
    throw new StasisError('install.refused', `The plugin cannot be written to ${path}.`, { cause: error });
  });
  return { path, version, changed: true };
}

/** `~/.terraform.d/plugins/HOST/NAMESPACE/TYPE/VERSION/OS_ARCH/terraform-provider-TYPE_vVERSION` */
function pluginPath(engine: EngineName, version: string, home: string): string {
  const [os, architecture] = [OS[process.platform], ARCHITECTURE[process.arch]];
  if (os === undefined || architecture === undefined)
    throw new StasisError('install.platform', `Stasis does not run on ${process.platform} ${process.arch}.`, {
      hint: 'It runs on Linux and macOS, on x86-64 and ARM64.',
    });
  return join(
    home,
    '.terraform.d/plugins',
    providerAddress(engine),
    version,
    `${os}_${architecture}`,
    `terraform-provider-${PROVIDER_TYPE}_v${version}`,
  );
}

async function versionOf(root: string): Promise<string> {
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
