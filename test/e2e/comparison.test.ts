import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { providerDefinition } from '../../provider/composition/provider.ts';
import { StasisError } from '../../provider/core/errors.ts';
import type { ResourceDefinition, ResourceState, Values } from '../../provider/core/resource.ts';
import { installPlugin } from '../../provider/engines/terraform/install.ts';
import { testContext } from '../support/context.ts';
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { stasis } from './cli/stasis.ts';
import { describeEngines } from './terraform/engines.ts';
import { Workspace } from './terraform/workspace.ts';

jest.setTimeout(240_000);
const context = testContext();

let folder: string;
let postgres: PostgresServer;
let redis: RedisServer;
let resources: Readonly<Record<string, ResourceDefinition>>;
let first: ResourceState;
let second: ResourceState;

const path = (name: string): string => join(folder, name);
const members = (): Values => ({
  orders: { postgres: { url: postgres.url('shop') } },
  carts: { redis: { url: redis.url } },
  receipts: { files: { path: path('receipts') } },
});
const PROBES = {
  sold: { member: 'orders', sql: 'SELECT count(*) FROM orders' },
  queue: { member: 'carts', redis: ['LLEN', 'queue'] },
  pages: { member: 'receipts', command: ['sh', '-c', 'ls | wc -l'] },
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stasis-comparison-'));
  postgres = await startPostgres();
  redis = await startRedis();
  await postgres.query('CREATE DATABASE shop');
  await sql(
    "CREATE TABLE orders (id int PRIMARY KEY, what text); INSERT INTO orders SELECT n, 'order ' || n FROM generate_series(1, 50) n",
  );
  await redis.feed('RPUSH queue a b\n');
  await mkdir(path('receipts'));
  await writeFile(path('receipts/1.txt'), 'receipt\n');
  const { resources: all } = providerDefinition('test').catalog({ store: { path: path('store') } });
  resources = Object.fromEntries(all.map((one) => [one.name, one]));
  const inputs = { name: 'shop', members: members(), probes: PROBES };
  first = await resources.Snapshot!.apply({ inputs }, context);
  await sql("INSERT INTO orders VALUES (51, 'order 51')");
  const probes = { ...PROBES, pages: { ...PROBES.pages, command: ['ls'] } };
  second = await resources.Snapshot!.apply(
    { prior: first, inputs: { ...inputs, probes, triggers: { again: '1' } } },
    context,
  );
}, 120_000);

afterAll(async () => {
  await Promise.all([postgres?.stop(), redis?.stop()]);
  await rm(folder, { recursive: true, force: true });
});

const sql = (text: string) => postgres.query(text, { database: 'shop' });

const compare = (inputs: Values, prior?: ResourceState): Promise<ResourceState> =>
  resources.Comparison!.apply({ inputs, ...(prior === undefined ? {} : { prior }) }, context);

const outcomes = ({ outputs }: ResourceState): Record<string, string> =>
  Object.fromEntries(
    Object.entries(outputs.probeResults as Record<string, { outcome: string }>).map(([name, one]) => [
      name,
      one.outcome,
    ]),
  );

const objects = ({ outputs }: ResourceState): string[] =>
  (outputs.differences as { member: string; object: string }[]).map((one) => `${one.member} ${one.object}`);

test('two snapshots: the answers that both have are compared, and what differs is named', async () => {
  const found = await compare({ snapshot: 'shop:1', other: 'shop' });
  expect(found.outputs).toMatchObject({
    ...{ reference: first.outputs.reference, comparedWith: second.outputs.reference },
    ...{ verdict: 'drifted', passed: false, differenceCount: 2 },
    checks: {
      orders: { passed: false },
      carts: { passed: true },
      'probe/sold': { passed: false },
      'probe/queue': { passed: true },
      'probe/pages': { passed: false },
    },
  });
  expect(objects(found)).toEqual(['orders probe/sold', 'orders table/public.orders']);
  expect((found.outputs.differences as Values[])[1]).toMatchObject({
    message: 'rows: 50 -> 51; 1 row extra: id=51',
    within: [{ name: 'id=51', kind: 'extra' }],
  });
  // One that was another question at the other cut is no difference.
  expect(outcomes(found)).toEqual({ sold: 'different', queue: 'equal', pages: 'unasked' });
  expect(await compare({ snapshot: 'shop:1', other: 'shop:1' })).toMatchObject({
    outputs: { verdict: 'equivalent', passed: true, differences: [] },
  });
});

test('a snapshot and what runs: its questions are asked again', async () => {
  const inputs = { snapshot: 'shop:2', members: members() };
  const same = await compare(inputs);
  expect(same.outputs).toMatchObject({ comparedWith: 'running', verdict: 'equivalent', passed: true });
  expect(outcomes(same)).toEqual({ sold: 'equal', queue: 'equal', pages: 'equal' });
  expect(JSON.stringify(same.stored)).not.toContain(new URL(postgres.url('shop')).password || 'no password');
  await redis.cli('RPUSH', 'queue', 'c');
  await writeFile(path('receipts/2.txt'), 'another\n');
  // What was found stays until something says that it is to be looked at again.
  expect(await compare(inputs, same)).toMatchObject({ outputs: { verdict: 'equivalent' } });
  const drifted = await compare({ ...inputs, triggers: { look: '2' } }, same);
  expect(outcomes(drifted)).toEqual({ sold: 'equal', queue: 'different', pages: 'different' });
  // The folder's own time has changed with it.
  expect(objects(drifted).filter((object) => object !== 'receipts file/.')).toEqual([
    'carts probe/queue',
    'carts db/0/key/queue',
    'receipts probe/pages',
    'receipts file/2.txt',
  ]);
  expect(drifted.id).toBe(same.id);
  await expect(compare({ ...inputs, required: true })).rejects.toMatchObject({
    code: 'comparison.drifted',
    at: ['required'],
  });
  await redis.cli('RPOP', 'queue');
  await rm(path('receipts/2.txt'));
});

test('what only its triggers, its age or an import says is compared again', async () => {
  const inputs = { snapshot: 'shop:1', other: 'shop:2', maxAge: '1h' };
  const found = await compare(inputs);
  const plan = (more: Values, prior = found, at = context) =>
    resources.Comparison!.plan({ prior, inputs: { ...inputs, ...more } }, at);
  expect(await plan({})).toMatchObject({ action: 'none', problems: [] });
  for (const more of [
    { triggers: { look: '2' } },
    { verify: 'identical' },
    { other: 'shop:1' },
    { other: null, members: members() },
  ])
    expect(await plan(more)).toMatchObject({ action: 'update', outputs: { verdict: expect.any(Symbol) } });
  const later = { ...context, clock: { ...clockOf(), wallMs: () => Date.now() + 7_200_000 } };
  const due = await plan({}, found, later);
  expect(due.action).toBe('update');
  expect(due.problems).toMatchObject([{ code: 'comparison.due', severity: 'warning', at: ['maxAge'] }]);
  const imported = await resources.Comparison!.importState(`${path('store')}#shop`, context);
  expect(imported.outputs).toMatchObject({ verdict: 'unverified', passed: false });
  expect(await plan({}, imported)).toMatchObject({ action: 'update', problems: [] });
  expect(await compare(inputs, imported)).toMatchObject({ outputs: { verdict: 'drifted' } });
});

const clockOf = () => ({ nowNs: () => context.clock.nowNs() });

test('what it cannot compare is told by the plan, at the attribute', async () => {
  const codes = async (inputs: Values): Promise<string[][]> => {
    const { problems } = await resources.Comparison!.plan({ inputs }, context);
    expect(problems.every((one) => one instanceof StasisError)).toBe(true);
    return problems.map(({ code, at }) => [code, at.join('.')]);
  };
  expect(await codes({ snapshot: 'shop' })).toEqual([['compare.two-sides', 'snapshot']]);
  expect(await codes({ snapshot: 'shop', other: 'shop:1', members: members() })).toEqual([
    ['compare.two-sides', 'other'],
  ]);
  expect(await codes({ snapshot: 'shop', other: 'nothing' })).toEqual([['snapshot.none', 'other']]);
  expect(await codes({ snapshot: 'shop:9', other: 'shop' })).toEqual([
    ['snapshot.no-generation', 'snapshot'],
  ]);
  const gone = { receipts: { files: { path: path('nowhere') } } };
  expect(await codes({ snapshot: 'shop', members: gone })).toEqual([
    [expect.stringMatching(/^files\./), expect.stringMatching(/^members\.receipts\.files/)],
  ]);
});

test('the command line compares two applications that run, and asks what the first one is asked', async () => {
  await mkdir(path('other'));
  await writeFile(path('other/1.txt'), 'receipt\n');
  const write = (name: string, what: string) =>
    writeFile(
      path(name),
      JSON.stringify({
        members: { receipts: { files: { path: path(what) } } },
        probes: { text: { member: 'receipts', command: ['cat', '1.txt'] } },
      }),
    );
  await write('one.yaml', 'receipts');
  await write('two.yaml', 'other');
  const run = (...args: string[]) => stasis(['compare', ...args, '--json'], { cwd: folder });
  const ran = await run('-f', 'one.yaml', '-f', 'one.yaml');
  expect([ran.status, ran.json()]).toMatchObject([
    0,
    { left: 'running', right: 'running', verdict: 'identical', probeResults: { text: { outcome: 'equal' } } },
  ]);
  await writeFile(path('other/1.txt'), 'forged!\n');
  const drifted = await run('-f', 'one.yaml', '-f', 'two.yaml');
  expect([drifted.status, drifted.json()]).toMatchObject([
    3,
    { verdict: 'drifted', probeResults: { text: { outcome: 'different' } } },
  ]);
  for (const args of [['shop'], ['shop', 'shop:1', '-f', 'one.yaml'], ['-f', 'one.yaml']])
    expect((await run(...args)).status).toBe(2);
});

describeEngines((engine) => {
  test('a check block asserts it, and warns without failing anything', async () => {
    await using workspace = await Workspace.create(engine);
    const root = join(import.meta.dirname, '../..');
    await installPlugin({ engine: engine.name, root, home: workspace.home });
    await mkdir(join(workspace.folder, 'site'));
    await writeFile(join(workspace.folder, 'site/page'), 'a page\n');
    const hcl = (look: string): string => `
resource "stasis_snapshot" "site" {
  name    = "site"
  members = { site = { files = { path = "{folder}/site" } } }
  store   = { path = "{folder}/store" }
}
resource "stasis_comparison" "now" {
  snapshot = stasis_snapshot.site.reference
  members  = { site = { files = { path = "{folder}/site" } } }
  store    = { path = "{folder}/store" }
  triggers = { look = "${look}" }
}
check "same" {
  assert {
    condition     = stasis_comparison.now.passed
    error_message = stasis_comparison.now.summary
  }
  assert {
    condition     = alltrue([for one in values(stasis_comparison.now.checks) : one.passed])
    error_message = join(" ", [for one in values(stasis_comparison.now.checks) : one.message if !one.passed])
  }
}
`;
    await workspace.write(hcl('1'));
    await workspace.ok('init', '-input=false');
    const same = await workspace.ok('apply', '-auto-approve', '-input=false');
    expect(same.all).not.toContain('Check block assertion failed');
    await writeFile(join(workspace.folder, 'site/page'), 'another\n');
    await workspace.write(hcl('2'));
    const drifted = await workspace.ok('apply', '-auto-approve', '-input=false');
    expect(drifted.all).toContain('Check block assertion failed');
    const said = drifted.all.replace(/[\s│]+/g, ' ');
    expect(said).toContain('What runs is drifted, compared with site@sha256:');
    expect(said).toContain('The member "site" is drifted, in 1 object, the first being file/page');
  });
});
