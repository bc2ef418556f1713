import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, jest, test } from '@jest/globals';
import { installPlugin } from '../../provider/engines/terraform/install.ts';
import { CDK_LIBRARIES, type CdkLibrary } from '../../scripts/build/constructs.ts';
import { findNpmTool, isHere } from '../../scripts/setup/npm-tools.ts';
import { Project } from './constructs/project.ts';
import { comparable, type Masks } from './constructs/state.ts';
import { describeEngines, type Engine } from './terraform/engines.ts';
import { type Shop, startShop } from './terraform/shop.ts';
import { Workspace } from './terraform/workspace.ts';

jest.setTimeout(300_000);
const ROOT = join(import.meta.dirname, '../..');

const ADDRESSES = ['stasis_snapshot.shop', 'stasis_restore.twin'];
const COMMAND_LINES = {
  cdktf: await findNpmTool('cdktf-cli'),
  cdktn: await findNpmTool('cdktn-cli'),
};

type State = Readonly<Record<string, unknown>>;

/** What the shop's program asks for, in HCL and in the libraries alike. */
function variablesOf({ workspace, orders, carts, twinOrders, twinCarts }: Shop): Record<string, string> {
  return {
    TF_VAR_shop_orders_url: orders.url(),
    TF_VAR_shop_carts_url: carts.url,
    TF_VAR_shop_receipts: join(workspace.folder, 'receipts'),
    TF_VAR_twin_orders_url: twinOrders.url(),
    TF_VAR_twin_carts_url: twinCarts.url,
    TF_VAR_twin_receipts: join(workspace.folder, 'twin'),
  };
}

async function done(
  workspace: Workspace,
  args: readonly string[],
  variables: Record<string, string>,
): Promise<string> {
  const { status, all } = await workspace.run([...args, '-input=false'], variables);
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}\n${all}`);
  return all;
}

/** Applies what lies in the workspace's module; a second plan has nothing to do. The state, comparable. */
async function applied(shop: Shop, store: string): Promise<State> {
  const { workspace } = shop;
  const variables = variablesOf(shop);
  await done(workspace, ['init'], variables);
  await done(workspace, ['apply', '-auto-approve'], variables);
  expect(await done(workspace, ['plan', '-detailed-exitcode'], variables)).toContain('No changes');
  const masks: Masks = {
    ORDERS: new URL(shop.orders.url()).host,
    CARTS: new URL(shop.carts.url).host,
    TWIN_ORDERS: new URL(shop.twinOrders.url()).host,
    TWIN_CARTS: new URL(shop.twinCarts.url).host,
    STORE: store,
    FOLDER: workspace.folder,
  };
  const resources = ADDRESSES.map(async (address) => [address, await workspace.state(address)] as const);
  const outputs = ['snapshot', 'restore'].map(
    async (name) => [`output.${name}`, await workspace.output(name)] as const,
  );
  const all = Object.fromEntries(await Promise.all([...resources, ...outputs]));
  return comparable(all, masks) as State;
}

async function stateOfHcl(engine: Engine): Promise<State> {
  await using shop = await startShop(engine);
  const store = join(shop.workspace.module, 'snapshots');
  const hcl = await readFile(join(ROOT, 'examples/shop/main.tf'), 'utf8');
  await writeFile(join(shop.workspace.module, 'main.tf'), hcl.replaceAll('./snapshots', store));
  return await applied(shop, store);
}

/** The shop's example, synthesized by the library's own command line where it is to be had. */
async function synthesizedShop(library: CdkLibrary): Promise<Project> {
  await using stack = new AsyncDisposableStack();
  const project = stack.use(await Project.create(library));
  await project.copyFrom(`shop/${library}`);
  const tool = COMMAND_LINES[library];
  const synth = isHere(tool) ? await project.synth(tool) : await project.node('main.ts');
  if (synth.status !== 0) throw new Error(`synth ended with ${synth.status}\n${synth.all}`);
  stack.move();
  return project;
}

for (const library of CDK_LIBRARIES) {
  const tool = COMMAND_LINES[library];
  if (!isHere(tool)) test.skip(`${library} synth (${tool.reason}; the program synthesizes itself)`, () => {});
}

describeEngines((engine) => {
  let hcl: Promise<State> | undefined;

  test.each(CDK_LIBRARIES)(
    'the shop of %s reaches the state of its HCL, and no password is kept',
    async (library) => {
      hcl ??= stateOfHcl(engine);
      const expected = await hcl;
      expect(expected).toMatchObject({
        'stasis_snapshot.shop': { name: 'shop', sharp: true, generation: 1 },
        'stasis_restore.twin': { verify: 'equivalent' },
        'output.snapshot': { sharp: true },
      });

      await using project = await synthesizedShop(library);
      await using shop = await startShop(engine);
      const { workspace } = shop;
      await copyFile(join(project.stackFolder('shop'), 'cdk.tf.json'), join(workspace.module, 'cdk.tf.json'));
      expect(await applied(shop, join(project.folder, 'snapshots'))).toEqual(expected);
      expect(await shop.twinCarts.cli('GET', 'cart:499')).toBe('item-499');

      for (const entry of await readdir(project.folder, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || entry.parentPath.includes('node_modules')) continue;
        const text = (await readFile(join(entry.parentPath, entry.name))).toString('latin1');
        for (const password of shop.passwords)
          expect([entry.name, text.includes(password)]).toEqual([entry.name, false]);
      }
      // The state was among them: the libraries' own backend keeps it in the project.
      expect(await readdir(project.folder)).toContain('terraform.shop.tfstate');
    },
  );

  test.each(CDK_LIBRARIES)(
    'with %s, as HCL: a look-up, its parts as tokens, and a restore of what was found',
    async (library) => {
      await using project = await Project.create(library);
      await using workspace = await Workspace.create(engine);
      await installPlugin({ engine: engine.name, root: ROOT, home: workspace.home });
      await project.write('main.ts', LOOK_UP.replaceAll('{folder}', workspace.folder));
      await mkdir(join(workspace.folder, 'site'));
      await writeFile(join(workspace.folder, 'site/page.html'), 'kept\n');
      const { status, all } = await project.node('main.ts');
      expect([status, all]).toEqual([0, expect.anything()]);
      await copyFile(join(project.stackFolder('site'), 'cdk.tf'), join(workspace.module, 'main.tf'));
      await workspace.ok('init', '-input=false');
      await workspace.apply();
      expect(await workspace.planned()).toMatchObject({ changes: false });
      expect(await workspace.output('found')).toEqual({
        driver: 'files',
        endpoint: `file://${workspace.folder}/site`,
        again: `file://${workspace.folder}/site`,
        verdict: 'identical',
        generations: 1,
      });
      expect(await readFile(join(workspace.folder, 'copy/page.html'), 'utf8')).toBe('kept\n');
    },
  );
});

const LOOK_UP = `
import { Member, Restore, Snapshot, StasisProvider, getSnapshot, getSnapshots } from '@stasis-iac/constructs/{library}';
import { App, Fn, TerraformOutput, TerraformStack } from '{library}';

process.env.SYNTH_HCL_OUTPUT = 'true'; // as the synth command does with --hcl
const app = new App({ context: { targetVersions: { terraform: '>=1.11.0', opentofu: '>=1.11.0' } } });
const stack = new TerraformStack(app, 'site');
new StasisProvider(stack, 'stasis', { store: { path: '{folder}/store' }, maxPauseMs: 3_000 });
const site = new Snapshot(stack, 'site', {
  members: { 'the-site': { files: { path: '{folder}/site', exclude: ['*.tmp'] } } },
  triggers: { release: '1' },
});
const found = getSnapshot(stack, 'found', { snapshot: site.reference });
const all = getSnapshots(stack, 'all', { name: 'site', dependsOn: [site] });
const copy = Restore.from(found, { id: 'copy', members: { 'the-site': Member.files({ path: '{folder}/copy' }) } });
new TerraformOutput(stack, 'result', {
  value: {
    driver: found.members.get('the-site').driver,
    endpoint: found.members.get('the-site').endpoint,
    again: site.members.get('the-site').files.endpoint,
    verdict: copy.results.get('the-site').verdict,
    generations: Fn.lengthOf(all.snapshots),
  },
}).overrideLogicalId('found');
app.synth();
`;
