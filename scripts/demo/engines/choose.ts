import { say } from '../../setup/say.ts';
import { ensureTool, findTool } from '../../setup/tools.ts';
import { commandLineEngine } from './command-line.ts';
import { type DemoEngine, type DemoSetting, ENGINE_NAMES, type EngineName } from './engine.ts';
import { terraformEngine } from './terraform.ts';

/**
 * The engine that was asked for, built if need be; else Terraform from PATH, else OpenTofu from PATH or the cache, else
 * our own command line, saying how to get the others.
 */
export async function chooseEngine(
  wanted: EngineName | undefined,
  setting: DemoSetting,
): Promise<DemoEngine> {
  if (wanted === 'stasis') return commandLineEngine(setting);
  if (wanted !== undefined) {
    const program = await ensureTool(wanted);
    if (typeof program !== 'string') throw new Error(program.reason);
    return terraformEngine(wanted, program, setting);
  }
  for (const name of ENGINE_NAMES) {
    if (name === 'stasis') continue;
    const program = await findTool(name);
    if (typeof program === 'string') return terraformEngine(name, program, setting);
    say(program.reason);
  }
  say(
    'so the command line does the work; for Terraform put it on PATH, for OpenTofu run "npm run demo -- --engine tofu"',
  );
  return commandLineEngine(setting);
}
