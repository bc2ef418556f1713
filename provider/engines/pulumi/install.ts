import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Installed, installLauncher, packageVersion } from '../launcher.ts';
import { PACKAGE_NAME } from './naming.ts';

export interface InstallOptions {
  /** The folder of this package: with `bin/`, `dist/` and package.json. */
  readonly root: string;
  /** Pulumi's own folder; `$PULUMI_HOME`, else `~/.pulumi`, unless said. */
  readonly home?: string;
}

/**
 * Puts the plugin where Pulumi looks for the packages that a program uses: `plugins/resource-stasis-vVERSION` below its
 * own folder. Installing again changes nothing.
 *
 * @throws StasisError `install.damaged`, `install.refused`
 */
export async function installPlugin(options: InstallOptions): Promise<Installed> {
  const root = resolve(options.root);
  const version = await packageVersion(root);
  const home = options.home ?? (process.env.PULUMI_HOME || join(homedir(), '.pulumi'));
  const program = `pulumi-resource-${PACKAGE_NAME}`;
  const path = join(home, 'plugins', `resource-${PACKAGE_NAME}-v${version}`, program);
  const changed = await installLauncher(path, join(root, 'bin', program));
  return { path, version, changed };
}
