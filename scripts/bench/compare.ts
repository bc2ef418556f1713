import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { capture } from '../../provider/coordinator/capture.ts';
import { comparableMembers, comparableSnapshot, compare } from '../../provider/coordinator/compare.ts';
import { DRIVERS } from '../../provider/drivers/registry.ts';
import { STORE_TYPES } from '../../provider/stores/registry.ts';
import { memberOf } from '../../test/support/member.ts';
import { startPostgres } from '../../test/support/postgres-server.ts';
import { compareMariadb } from './compare-mariadb.ts';
import { quietContext } from './context.ts';
import { type Cost, countingLine } from './counting-line.ts';
import { type Figure, median, shareOf } from './figure.ts';

const ROWS = 1_000_000;
const ROUNDS = 3;

/**
 * What it takes to find and name one changed row among a million in a running Postgres: comparing it with a snapshot
 * against dumping and hashing it, by time and by what comes over the network.
 */
export async function benchCompare(): Promise<readonly Figure[]> {
  await using resources = new AsyncDisposableStack();
  const root = await mkdtemp(join(tmpdir(), 'stasis-bench-'));
  resources.defer(() => rm(root, { recursive: true, force: true }));
  const server = await startPostgres();
  resources.defer(() => server.stop());
  await server.query(`CREATE TABLE orders (id bigint PRIMARY KEY, customer int, state text, note text);
    INSERT INTO orders SELECT n, n % 5000, 'paid', md5(n::text) FROM generate_series(1, ${ROWS}) n`);
  const line = resources.use(await countingLine(server.port));
  const url = new URL(server.url());
  url.port = String(line.port);
  const members = [memberOf('postgres', { url: url.href }, { name: 'orders' })];
  const store = await STORE_TYPES[0]!.open({ path: join(root, 'store') }, quietContext());
  const sealed = await capture(
    {
      ...{ name: 'shop', owner: 'bench', members, store, createdBy: 'bench' },
      limits: { maxPauseMs: 5_000, maxBlurMs: 0 },
    },
    quietContext(),
  );
  const snapshot = await store.open('shop', sealed.digest, quietContext());
  const finding = (message: string | undefined): Promise<Cost> =>
    line.cost(async () => {
      const context = quietContext();
      const found = await compare(
        comparableSnapshot(snapshot, DRIVERS),
        comparableMembers(members, context),
        context,
      );
      const said = found.members.orders!.differences.map(({ object, message }) => `${object} ${message}`);
      const expected = message === undefined ? [] : [`table/public.orders ${message}`];
      if (said.join() !== expected.join()) throw new Error(`it says ${said.join() || 'nothing'}`);
    });
  const equal = await finding(undefined);
  await server.query('UPDATE orders SET customer = customer + 1 WHERE id = 424242');
  const ours: Cost[] = [];
  const peer: Cost[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    ours.push(await finding('1 row changed: id=424242'));
    peer.push(await line.cost(() => dumpAndHash(url.href)));
  }
  const figure = (name: string, unit: string, what: keyof Cost, target?: number): Figure =>
    shareOf(
      {
        ...{ name, unit, peerName: 'pg_dump | sha256sum' },
        ...{ ours: median(ours.map((one) => one[what])), peer: median(peer.map((one) => one[what])) },
      },
      target,
    );
  return [
    figure('name 1 changed of 1,000,000 rows, over the network', 'bytes', 'readBytes', 0.01),
    shareOf(
      {
        ...{ name: 'of that, beyond what equal databases cost', unit: 'bytes' },
        ours: median(ours.map(({ readBytes }) => readBytes)) - equal.readBytes,
        ...{ peer: MERKLE_PATH_BYTES, peerName: 'bare Merkle path' },
      },
      8,
    ),
    figure('name 1 changed of 1,000,000 rows', 'ms', 'tookMs'),
    ...(await compareMariadb()),
  ];
}

/**
 * Of a tree of sixteen children a node down to single rows: the 16 digests (MD5, 16 bytes each) of every level.
 */
const MERKLE_PATH_BYTES = Math.ceil(Math.log(ROWS) / Math.log(16)) * 16 * 16;

async function dumpAndHash(url: string): Promise<void> {
  const child = spawn('sh', ['-c', 'pg_dump -d "$1" | sha256sum > /dev/null', 'sh', url], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error('pg_dump | sha256sum failed');
}
