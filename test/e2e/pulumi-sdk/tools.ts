import { join } from 'node:path';
import { findPulumi, type PulumiLanguage, type PulumiTools } from '../../../scripts/engines/pulumi.ts';
import { run } from './run.ts';

export const ROOT = join(import.meta.dirname, '../../..');

/** Our own Node, which programs and SDKs in TypeScript need: @pulumi/pulumi wants a newer one than a machine may have. */
const NODE_FOLDER = join(ROOT, 'node_modules/node/bin');

/** Pulumi with a language's host and our Node, or why it is not to be had here. */
export async function pulumiWith(language: PulumiLanguage): Promise<PulumiTools | string> {
  const tools = await findPulumi(language);
  if ('reason' in tools) return tools.reason;
  return { program: tools.program, folders: [NODE_FOLDER, ...tools.folders] };
}

/** The same, where python3 can make virtual environments too. */
export async function pulumiWithVenv(language: PulumiLanguage): Promise<PulumiTools | string> {
  const venv = await run(['python3', '-c', 'import ensurepip, venv'], { cwd: '/' });
  return venv.status === 0 ? pulumiWith(language) : 'python3 with venv and ensurepip is not on PATH';
}
