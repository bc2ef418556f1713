import { installPlugin as installForPulumi } from '../../pulumi/install.ts';
import { installPlugin } from '../../terraform/install.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import type { Invocation } from '../invocation.ts';

export const INSTALLABLE = ['terraform', 'opentofu', 'pulumi'] as const;

/** Puts the plugin where the engine finds it with no configuration file. */
export async function install(
  invocation: Invocation,
  engine: (typeof INSTALLABLE)[number],
  root: string,
): Promise<ExitStatus> {
  const installed = await (engine === 'pulumi'
    ? installForPulumi({ root })
    : installPlugin({ engine, root }));
  invocation.output.result({ engine, ...installed }, () =>
    installed.changed
      ? `stasis ${installed.version} is installed for ${engine} as ${installed.path}`
      : `stasis ${installed.version} was installed for ${engine} already, as ${installed.path}`,
  );
  return EXIT.done;
}
