import { dirname, join } from 'node:path';
import { findTool, type ToolName } from '../../../scripts/setup/tools.ts';

export const ROOT = join(import.meta.dirname, '../../..');

/** Our own Node, which programs and SDKs in TypeScript need: @pulumi/pulumi wants a newer one than a machine may have. */
const NODE_FOLDER = join(ROOT, 'node_modules/node/bin');

export type Language = 'nodejs' | 'python' | 'go' | 'yaml';

/** The real CLI, and a PATH on which it finds the hosts of all languages that were asked for. */
export interface Pulumi {
  readonly program: string;
  readonly path: string;
}

/** Pulumi with these languages, or why it is not to be had here. */
export async function findPulumi(...languages: readonly Language[]): Promise<Pulumi | string> {
  const names: ToolName[] = ['pulumi', ...languages.map((one) => `pulumi-language-${one}` as const)];
  const found = await Promise.all(names.map((name) => findTool(name)));
  const [program] = found;
  const missing = found.find((one) => typeof one !== 'string');
  if (typeof missing === 'object') return missing.reason;
  if (typeof program !== 'string') throw new RangeError('no tool was asked for');
  const folders = found.filter((one) => typeof one === 'string').map((one) => dirname(one));
  return { program, path: [...new Set([NODE_FOLDER, ...folders]), process.env.PATH].join(':') };
}
