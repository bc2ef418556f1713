import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, jest, test } from '@jest/globals';
import { installPlugin } from '../../provider/engines/terraform/install.ts';
import { providerAddress } from '../../provider/engines/terraform/naming.ts';
import { describeEngines, type Engine } from './terraform/engines.ts';
import { Workspace } from './terraform/workspace.ts';

jest.setTimeout(240_000);
const ROOT = join(import.meta.dirname, '../..');

async function initialised(engine: Engine): Promise<Workspace> {
  const workspace = await Workspace.create(engine);
  await installPlugin({ engine: engine.name, root: ROOT, home: workspace.home });
  await workspace.write('');
  await workspace.ok('init', '-input=false');
  return workspace;
}

/** Every piece of HCL in the reference, by the page that it stands on. */
async function examplesInDocs(): Promise<[page: string, hcl: string][]> {
  const folder = join(ROOT, 'docs/reference');
  const pages = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.md'));
  const found: [string, string][] = [];
  for (const page of pages)
    for (const [, hcl = ''] of (await readFile(join(folder, page), 'utf8')).matchAll(/```hcl\n(.*?)```/gs))
      found.push([page, hcl]);
  return found;
}

describeEngines((engine) => {
  test('the schema that it reads from the plugin is the one that is committed', async () => {
    await using workspace = await initialised(engine);
    const { stdout } = await workspace.start(['providers', 'schema', '-json']).finished;
    const committed = JSON.parse(await readFile(join(ROOT, 'schema/terraform.json'), 'utf8'));
    expect(JSON.parse(stdout).provider_schemas[providerAddress(engine.name)]).toEqual(
      committed.provider_schemas[providerAddress('terraform')],
    );
  });

  test('the HCL in the reference is formatted, and valid', async () => {
    await using workspace = await initialised(engine);
    const examples = await examplesInDocs();
    expect(examples.length).toBeGreaterThan(4);
    for (const [page, hcl] of examples) {
      if (!hcl.includes('required_providers')) await workspace.write('');
      else await writeFile(join(workspace.module, 'main.tf'), '');
      await writeFile(join(workspace.module, 'example.tf'), hcl);
      const formatted = await workspace.run(['fmt', '-check', '-diff']);
      const valid = await workspace.run(['validate']);
      expect([page, formatted.all, valid.status, valid.status === 0 ? '' : valid.all]).toEqual([
        page,
        '',
        0,
        '',
      ]);
    }
  });
});
