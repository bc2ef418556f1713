import { join } from 'node:path';
import { installPlugin } from '../../../provider/engines/terraform/install.ts';
import type { Engine } from './engines.ts';
import { packageOf, Workspace } from './workspace.ts';

export const PHOTO_PLUGIN = join(import.meta.dirname, 'photo-plugin.ts');
export const PASSWORD = 'Tr0ub4dor-planted';
export const ADDRESS = 'stasis_photo.a';

/** The one member that most tests need. */
export const DB = `members = { db = { postgres = { url = "postgres://u:${PASSWORD}@one/x" } } }`;

/** A photo resource, `stasis_photo.a` unless said. */
export function photo(attributes: string, name = 'shop', label = 'a'): string {
  return `resource "stasis_photo" "${label}" {\n  name = "${name}"\n  ${attributes}\n}\n`;
}

/** Writes the root module with the provider configured. */
export function writePhotos(workspace: Workspace, hcl: string): Promise<void> {
  return workspace.write(`provider "stasis" {\n  folder = "{folder}/photos"\n}\n${hcl}`);
}

/** A workspace with the photo provider installed and initialised, and no configuration file anywhere. */
export async function photoWorkspace(engine: Engine, hcl: string): Promise<Workspace> {
  const workspace = await Workspace.create(engine);
  const root = await packageOf(workspace.folder, PHOTO_PLUGIN);
  await installPlugin({ engine: engine.name, root, home: workspace.home });
  await writePhotos(workspace, hcl);
  await workspace.ok('init', '-input=false');
  return workspace;
}
