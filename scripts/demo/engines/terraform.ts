import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { installPlugin } from '../../../provider/engines/terraform/install.ts';
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
import { run, runWell } from './run.ts';

const ROOT = join(import.meta.dirname, '../../..');

const ENGINES = {
  terraform: { title: 'Terraform', address: 'terraform' },
  tofu: { title: 'OpenTofu', address: 'opentofu' },
} as const;

/**
 * Terraform or OpenTofu on the example's HCL, with our plugin installed as `stasis install` does it, but below a home
 * of the demo's own: the user's plugins and settings are neither used nor touched.
 */
export async function terraformEngine(
  name: keyof typeof ENGINES,
  program: string,
  setting: DemoSetting,
): Promise<DemoEngine> {
  const { title, address } = ENGINES[name];
  const home = join(setting.folder, 'home');
  const work = join(setting.folder, 'work');
  await mkdir(work, { recursive: true });
  await installPlugin({ engine: address, root: ROOT, home });
  await writeFile(join(home, 'engine.rc'), '');
  await copyFile(join(exampleFolder(setting), 'main.tf'), join(work, 'main.tf'));
  const env = environment(home, exampleVariables(setting));
  const call = (signal: AbortSignal) => ({ cwd: work, env, signal });
  return {
    name,
    title: `${title} ${(await versionOf(program)) ?? ''}`,
    async apply(signal) {
      await runWell([program, 'init', '-input=false', '-no-color'], call(signal));
      await runWell([program, 'apply', '-auto-approve', '-input=false', '-no-color'], call(signal));
      const { stdout } = await runWell([program, 'output', '-json', '-no-color'], call(signal));
      return appliedOf(JSON.parse(stdout));
    },
    async secondPlanEmpty(signal) {
      say(`${title}: planning again`);
      const plan = [program, 'plan', '-detailed-exitcode', '-input=false', '-no-color'];
      const { status, output } = await run(plan, call(signal));
      // 0: nothing to do; 2: changes; anything else: it failed.
      if (status !== 0 && status !== 2)
        throw new Error(`${title} plan ended with ${status}:\n${output.trim()}`);
      return status === 0;
    },
  };
}

function environment(home: string, variables: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const values = Object.entries(variables).map(([name, value]) => [`TF_VAR_${name.toLowerCase()}`, value]);
  return {
    PATH: process.env.PATH,
    HOME: home,
    XDG_CACHE_HOME: join(cacheFolder(), '..'),
    TF_CLI_CONFIG_FILE: join(home, 'engine.rc'),
    TF_IN_AUTOMATION: '1',
    CHECKPOINT_DISABLE: '1',
    ...Object.fromEntries(values),
  };
}

/** The example's outputs, as `output -json` tells them. */
interface Outputs {
  readonly snapshot: {
    readonly value: {
      readonly reference: string;
      readonly sharp: boolean;
      readonly blur_ms: number;
      readonly pause_ms: number;
      readonly size_bytes: number;
      readonly stored_bytes: number;
    };
  };
  readonly restore: {
    readonly value: {
      readonly verdict: string;
      readonly restore_ms: number;
      readonly warmth?: Readonly<
        Record<string, { readonly hot_bytes: number; readonly warmed_bytes: number }>
      >;
    };
  };
}

function appliedOf({ snapshot, restore }: Outputs): Applied {
  const warmed = Object.entries(restore.value.warmth ?? {});
  return {
    reference: snapshot.value.reference,
    sharp: snapshot.value.sharp,
    blurMs: snapshot.value.blur_ms,
    pauseMs: snapshot.value.pause_ms,
    sizeBytes: snapshot.value.size_bytes,
    storedBytes: snapshot.value.stored_bytes,
    verdict: restore.value.verdict,
    restoreMs: restore.value.restore_ms,
    warmth: Object.fromEntries(
      warmed.map(([name, one]) => [name, { hotBytes: one.hot_bytes, warmedBytes: one.warmed_bytes }]),
    ),
  };
}
