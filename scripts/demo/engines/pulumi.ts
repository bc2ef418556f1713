import { randomBytes } from 'node:crypto';
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { installPlugin } from '../../../provider/engines/pulumi/install.ts';
import { type PulumiTools, pulumiEnvironment } from '../../engines/pulumi.ts';
import { cacheFolder } from '../../setup/cache.ts';
import { versionOf } from '../../setup/programs.ts';
import { say } from '../../setup/say.ts';
import {
  type Applied,
  type DemoEngine,
  type DemoSetting,
  exampleFolder,
  exampleVariables,
} from './engine.ts';
import { runWell } from './run.ts';

const ROOT = join(import.meta.dirname, '../../..');
const STACK = 'demo';

/**
 * Pulumi on the example's YAML, with our plugin installed as `stasis install pulumi` does it, but below a home of the
 * demo's own, with its state in a folder: the user's plugins, settings and stacks are neither used nor touched.
 */
export async function pulumiEngine(tools: PulumiTools, setting: DemoSetting): Promise<DemoEngine> {
  const [home, state, work] = ['home', 'state', 'work'].map((name) => join(setting.folder, name)) as [
    string,
    string,
    string,
  ];
  for (const folder of [home, state, work]) await mkdir(folder, { recursive: true });
  await installPlugin({ root: ROOT, home });
  await copyFile(join(exampleFolder(setting), 'pulumi-yaml/Pulumi.yaml'), join(work, 'Pulumi.yaml'));
  const passphrase = randomBytes(18).toString('base64url');
  const env = {
    ...pulumiEnvironment(tools, { home, state, passphrase }),
    HOME: home,
    XDG_CACHE_HOME: join(cacheFolder(), '..'),
  };
  const call = (signal: AbortSignal) => ({ cwd: work, env, signal });
  const pulumi = (args: readonly string[]) => [tools.program, ...args, '--non-interactive'];
  const configure = async (signal: AbortSignal): Promise<void> => {
    await runWell(pulumi(['stack', 'init', STACK]), call(signal));
    // By stdin: a list of arguments is for all to read.
    for (const [name, value] of Object.entries(exampleVariables(setting)))
      await runWell(pulumi(['config', 'set', '--secret', camelCase(name)]), {
        ...call(signal),
        input: value,
      });
  };
  return {
    name: 'pulumi',
    title: `Pulumi ${(await versionOf(tools.program)) ?? ''}`,
    async apply(signal) {
      await configure(signal);
      await runWell(pulumi(['up', '--yes', '--skip-preview']), call(signal));
      const { stdout } = await runWell(pulumi(['stack', 'output', '--json']), call(signal));
      return appliedOf(JSON.parse(stdout));
    },
    async secondPlanEmpty(signal) {
      say('Pulumi: previewing again');
      const { changeSummary } = JSON.parse(
        (await runWell(pulumi(['preview', '--json']), call(signal))).stdout,
      ) as { changeSummary: Readonly<Record<string, number>> };
      return Object.keys(changeSummary).every((operation) => operation === 'same');
    },
  };
}

/** `shopOrdersUrl` of `SHOP_ORDERS_URL`. */
function camelCase(name: string): string {
  return name.toLowerCase().replace(/_([a-z])/g, (_all, letter: string) => letter.toUpperCase());
}

/** The example's outputs, as `stack output --json` tells them. */
interface Outputs {
  readonly snapshot: Pick<
    Applied,
    'reference' | 'sharp' | 'blurMs' | 'pauseMs' | 'sizeBytes' | 'storedBytes'
  >;
  readonly restore: Pick<Applied, 'verdict' | 'restoreMs' | 'warmth'>;
}

function appliedOf({ snapshot, restore }: Outputs): Applied {
  const { reference, sharp, blurMs, pauseMs, sizeBytes, storedBytes } = snapshot;
  const { verdict, restoreMs, warmth = {} } = restore;
  return { reference, sharp, blurMs, pauseMs, sizeBytes, storedBytes, verdict, restoreMs, warmth };
}
