import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { StasisError } from '../../core/errors.ts';
import { type Installed, installLauncher, packageVersion } from '../launcher.ts';
import { type EngineName, PROVIDER_TYPE, providerAddress } from './naming.ts';

export interface InstallOptions {
  readonly engine: EngineName;
  /** The folder of this package: with `bin/`, `dist/` and package.json. */
  readonly root: string;
  /** Whose plugins; the user's own unless said. */
  readonly home?: string;
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
  const version = await packageVersion(root);
  const path = pluginPath(options.engine, version, options.home ?? homedir());
  const changed = await installLauncher(path, join(root, 'bin', `terraform-provider-${PROVIDER_TYPE}`));
  return { path, version, changed };
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
