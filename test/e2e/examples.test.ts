import { copyFile, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { installPlugin } from '../../provider/engines/terraform/install.ts';
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts';
import { describeEngines, type Engine } from './terraform/engines.ts';
import { Workspace } from './terraform/workspace.ts';

const ROOT = join(import.meta.dirname, '../..');
const EXAMPLES = join(ROOT, 'examples');

/** A workspace with an example's HCL and the plugin installed, as a user would have it. */
async function workspaceOf(engine: Engine, example: string): Promise<Workspace> {
  const workspace = await Workspace.create(engine);
  await installPlugin({ engine: engine.name, root: ROOT, home: workspace.home });
  await copyFile(join(EXAMPLES, example, 'main.tf'), join(workspace.module, 'main.tf'));
  await workspace.ok('init', '-input=false');
  return workspace;
}

/** Applies with these variables, and sees that a second plan has nothing to do. */
async function applyOnce(workspace: Workspace, variables: Readonly<Record<string, string>>): Promise<void> {
  const environment = Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [`TF_VAR_${name}`, value]),
  );
  const applied = await workspace.run(['apply', '-auto-approve', '-input=false'], environment);
  if (applied.status !== 0) throw new Error(`apply ended with ${applied.status}\n${applied.all}`);
  const again = await workspace.run(['plan', '-input=false', '-detailed-exitcode'], environment);
  if (again.status !== 0) throw new Error(`the second plan is not empty (${again.status})\n${again.all}`);
}

async function writeSite(folder: string): Promise<void> {
  await mkdir(join(folder, 'pages'), { recursive: true });
  await writeFile(join(folder, 'pages/index.html'), '<h1>Everything stays</h1>\n', { mode: 0o640 });
  await writeFile(join(folder, 'draft.tmp'), 'not in the snapshot\n');
  await symlink('pages/index.html', join(folder, 'home'));
}

test('every example is applied by a test', async () => {
  const entries = await readdir(EXAMPLES, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  // The shops are what the demo applies; the first and those of AWS and Kubernetes have tests of their own for Pulumi.
  expect(folders.sort()).toEqual([
    'aws',
    'folder',
    'kubernetes',
    'look-up',
    'shop',
    'shop-with-memory',
    'three-databases',
  ]);
});

describeEngines((engine) => {
  test('folder, and look-up in its store', async () => {
    await using workspace = await workspaceOf(engine, 'folder');
    const [site, copy] = [join(workspace.folder, 'site'), join(workspace.folder, 'copy')];
    await writeSite(site);
    await applyOnce(workspace, { site, copy });
    expect(await workspace.output('verdict')).toBe('identical');
    expect((await readdir(copy)).sort()).toEqual(['home', 'pages']);
    expect(await readFile(join(copy, 'home'), 'utf8')).toBe('<h1>Everything stays</h1>\n');

    await using other = await workspaceOf(engine, 'look-up');
    const target = join(other.folder, 'target');
    await applyOnce(other, { snapshots: join(workspace.module, 'snapshots'), target });
    expect(await other.output('found')).toEqual({ generation: 1, generations: 1, verdict: 'identical' });
    expect(await readFile(join(target, 'pages/index.html'), 'utf8')).toContain('Everything stays');
  }, 180_000);

  test('three databases, none paused', async () => {
    await using scope = new AsyncDisposableStack();
    const servers: PostgresServer[] = [];
    for (const name of ['accounts', 'orders', 'stock']) {
      const server = scope.use(await startPostgres());
      await server.query(`CREATE TABLE ${name} (id int PRIMARY KEY); INSERT INTO ${name} VALUES (1), (2)`);
      servers.push(server);
    }
    const [accounts, orders, stock] = servers.map((server) => server.url());
    const workspace = scope.use(await workspaceOf(engine, 'three-databases'));
    await applyOnce(workspace, { urls: JSON.stringify({ accounts, orders, stock }) });
    expect(await workspace.output('cut')).toEqual({ sharp: true, pause_ms: 0 });
    for (const server of servers) expect(await workspace.stateText()).not.toContain(server.password);
  }, 180_000);
});
