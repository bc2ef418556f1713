import { join } from 'node:path';
import type { PulumiTools } from '../../../scripts/engines/pulumi.ts';
import { Workspace } from './workspace.ts';

export const PHOTO_PLUGIN = join(import.meta.dirname, 'photo-plugin.ts');
export const PASSWORD = 'Tr0ub4dor-planted';
/** The one member that most tests need. */
export const DB = `members: { db: { postgres: { url: "postgres://u:${PASSWORD}@one/x" } } }`;

/** A program with one photo, `a`; each property on a line of its own, without indentation. */
export function photo(properties: string, options = ''): string {
  const lines = ['name: shop', ...properties.split('\n')].map((line) => `      ${line}`).join('\n');
  const more = options === '' ? '' : `    options:\n      ${options}\n`;
  return `resources:\n  a:\n    type: stasis:Photo\n    properties:\n${lines}\n${more}`;
}

/** A workspace with the photo provider and a stack. */
export async function photoWorkspace(tools: PulumiTools, program: string): Promise<Workspace> {
  const workspace = await Workspace.create(tools);
  await workspace.usePlugin(PHOTO_PLUGIN);
  await workspace.write(program);
  await workspace.init();
  await workspace.ok(['config', 'set', 'stasis:folder', join(workspace.folder, 'photos')]);
  return workspace;
}
