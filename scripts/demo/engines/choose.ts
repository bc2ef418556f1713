import { ensurePulumi, findPulumi } from '../../engines/pulumi.ts';
import { say } from '../../setup/say.ts';
import { ensureTool, findTool } from '../../setup/tools.ts';
import { commandLineEngine } from './command-line.ts';
import type { DemoEngine, DemoSetting, EngineName } from './engine.ts';
import { pulumiEngine } from './pulumi.ts';
import { terraformEngine } from './terraform.ts';

/** An engine that is here, for whatever it is going to work with. */
type Ready = (setting: DemoSetting) => Promise<DemoEngine>;

/**
 * The engine that was asked for, built if need be; else Terraform from PATH, else OpenTofu or Pulumi from PATH or the
 * cache, else our own command line, saying how to get the others. A build takes many minutes, so it comes before
 * anything is started.
 */
export async function chooseEngine(wanted: EngineName | undefined): Promise<Ready> {
  if (wanted === 'stasis') return commandLineEngine;
  if (wanted === 'pulumi') {
    const tools = await ensurePulumi('yaml');
    if ('reason' in tools) throw new Error(tools.reason);
    return (setting) => pulumiEngine(tools, setting);
  }
  if (wanted !== undefined) {
    const program = await ensureTool(wanted);
    if (typeof program !== 'string') throw new Error(program.reason);
    return (setting) => terraformEngine(wanted, program, setting);
  }
  for (const name of ['terraform', 'tofu'] as const) {
    const program = await findTool(name);
    if (typeof program === 'string') return (setting) => terraformEngine(name, program, setting);
    say(program.reason);
  }
  const tools = await findPulumi('yaml');
  if (!('reason' in tools)) return (setting) => pulumiEngine(tools, setting);
  say(tools.reason);
  say(
    'so the command line does the work; for Terraform put it on PATH, for OpenTofu or Pulumi run "npm run demo -- --engine tofu" or "pulumi"',
  );
  return commandLineEngine;
}
