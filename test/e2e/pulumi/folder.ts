import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { STORE_TYPES } from '../../../provider/stores/registry.ts';
import type { PulumiTools } from '../../../scripts/engines/pulumi.ts';
import { testContext } from '../../support/context.ts';
import { Workspace } from './workspace.ts';

const PROVIDER = `  here:
    type: pulumi:providers:stasis
    properties: { store: { path: "{folder}/store" } }
`;

/** A stack of the real plugin, with a folder `site` to capture: for what needs no server. */
export async function folderWorkspace(tools: PulumiTools): Promise<Workspace> {
  const workspace = await Workspace.create(tools);
  await mkdir(join(workspace.folder, 'site'));
  await writeFile(join(workspace.folder, 'site/page'), 'of the first release\n');
  await workspace.write('resources: {}\n');
  await workspace.init();
  return workspace;
}

/** A Snapshot `shop` of the folder; each further property on a line of its own, without indentation. */
export function folderProgram(more = '', options = '', name = 'shop'): string {
  const properties = ['members: { site: { files: { path: "{folder}/site" } } }', ...more.split('\n')];
  const lines = properties.filter((line) => line !== '').map((line) => `      ${line}\n`);
  const all = [`provider: "\${here}"`, options].filter((option) => option !== '').join(', ');
  return `resources:\n${PROVIDER}  ${name}:\n    type: stasis:Snapshot\n    properties:\n${lines.join('')}    options: { ${all} }\n`;
}

/** The same snapshot, looked up as a resource that is somebody else's. */
export const GET_TWIN = `resources:
${PROVIDER}  shop:
    type: stasis:Snapshot
    get: { id: shop }
    options: { provider: "\${here}" }
outputs:
  owner: \${shop.owner}
  generation: \${shop.generation}
`;

/** Whose name it is in the workspace's store. */
export async function recordedOwner({ folder }: Workspace, name: string): Promise<string | undefined> {
  const store = await STORE_TYPES[0]!.open({ path: join(folder, 'store') }, testContext());
  return (await store.name(name))?.owner;
}
