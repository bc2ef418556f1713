import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { comparableMembers, compare } from '../../provider/coordinator/compare.ts';
import { findMariadb, startMariadb } from '../../test/support/mariadb-server.ts';
import { memberOf } from '../../test/support/member.ts';
import type { SqlServerOptions } from '../../test/support/sql-server.ts';
import { quietContext } from './context.ts';
import { type Cost, countingLine } from './counting-line.ts';
import { type Figure, shareOf } from './figure.ts';
import { timedRun } from './run.ts';

const ROWS = 1_000_000;
const REPLICATED_MS = 120_000;

/**
 * What it takes to name one row that differs between two running MariaDB servers, against Percona's tools: pt-table-sync
 * reads both tables in chunks and prints statements for what differs; pt-table-checksum has a replica compute sums of
 * chunks as its source did, by replication of statements, and says how many chunks differ. Of both servers.
 */
export async function compareMariadb(): Promise<readonly Figure[]> {
  return [...(await apart()), ...(await withReplica())];
}

async function apart(): Promise<readonly Figure[]> {
  const peer = 'pt-table-sync';
  if (isMissing(peer)) return [];
  await using resources = new AsyncDisposableStack();
  const [left, right] = await Promise.all([startSide(resources), startSide(resources)]);
  await Promise.all([left, right].map(({ server }) => server.query(ORDERS, 'shop')));
  return await nameBoth('name 1 of 1,000,000 rows of two MariaDB', left, right, peer, () =>
    timedRun(syncOf(left, right), { cwd: '/', env: process.env }, DIFFERENT),
  );
}

async function withReplica(): Promise<readonly Figure[]> {
  const peer = 'pt-table-checksum';
  if (isMissing(peer)) return [];
  await using resources = new AsyncDisposableStack();
  const statements = { 'binlog-format': 'STATEMENT' };
  const [source, replica] = await Promise.all([
    startSide(resources, statements),
    startSide(resources, { ...statements, 'server-id': 2 }),
  ]);
  await follow(replica, source);
  await source.server.query(ORDERS, 'shop');
  await source.server.query(
    `CREATE DATABASE percona;
     CREATE TABLE percona.dsns (id int AUTO_INCREMENT PRIMARY KEY, parent_id int, dsn varchar(255) NOT NULL);
     INSERT INTO percona.dsns (dsn) VALUES ('${dsnOf(replica)}')`,
  );
  await untilReplicated(replica);
  return await nameBoth('name 1 of 1,000,000 rows of a replica', source, replica, peer, () =>
    timedRun(checksumOf(source), { cwd: '/', env: process.env }, CHUNK_DIFFERS),
  );
}

/** Changes a row on the right, and has both find it. */
async function nameBoth(
  name: string,
  left: Side,
  right: Side,
  peerName: string,
  find: () => Promise<unknown>,
): Promise<readonly Figure[]> {
  await right.server.query('UPDATE orders SET customer = customer + 1 WHERE id = 424242', 'shop');
  const cost = async (work: () => Promise<unknown>): Promise<Cost> => {
    let inner: Cost | undefined;
    const outer = await left.line.cost(async () => {
      inner = await right.line.cost(async () => void (await work()));
    });
    return { tookMs: outer.tookMs, readBytes: outer.readBytes + inner!.readBytes };
  };
  const ours = await cost(() => nameRow(left.url, right.url));
  const peer = await cost(find);
  const figure = (unit: string, what: keyof Cost): Figure =>
    shareOf({ name, unit, ours: ours[what], peer: peer[what], peerName });
  return [figure('bytes', 'readBytes'), figure('ms', 'tookMs')];
}

/** Says so. */
function isMissing(peer: string): boolean {
  const why =
    findMariadb() === undefined
      ? 'no MariaDB server on this machine'
      : spawnSync(peer, ['--version']).status === 0
        ? undefined
        : `no ${peer} on this machine (percona-toolkit)`;
  if (why !== undefined) console.error(`compare: MariaDB against ${peer} skipped, ${why}`);
  return why !== undefined;
}

const ORDERS = `
CREATE TABLE orders (id bigint PRIMARY KEY, customer int, state varchar(10), note varchar(40));
INSERT INTO orders SELECT seq, seq % 5000, 'paid', MD5(seq) FROM seq_1_to_${ROWS}`;

async function startSide(resources: AsyncDisposableStack, settings: SqlServerOptions['settings'] = {}) {
  const server = await startMariadb({ settings });
  resources.defer(() => server.stop());
  await server.query('CREATE DATABASE shop');
  const line = resources.use(await countingLine(server.port));
  const url = new URL(server.url('shop'));
  url.port = String(line.port);
  return { server, line, url: url.href };
}

type Side = Awaited<ReturnType<typeof startSide>>;

/** From now on, over the source's line. */
async function follow(replica: Side, { server, line }: Side): Promise<void> {
  const [status] = await server.query('SHOW MASTER STATUS');
  await replica.server.query(
    `CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = ${line.port}, MASTER_USER = 'root',
       MASTER_PASSWORD = '${server.password}', MASTER_LOG_FILE = '${String(status?.File)}', MASTER_LOG_POS = ${String(status?.Position)};
     START SLAVE`,
  );
}

async function untilReplicated({ server }: Side): Promise<void> {
  const untilMs = Date.now() + REPLICATED_MS;
  for (;;) {
    const found = await server.query('SELECT count(*) AS tables FROM percona.dsns').catch(() => []);
    if (found[0]?.tables === 1) return;
    if (Date.now() > untilMs) throw new Error('the replica did not follow');
    await sleep(200);
  }
}

async function nameRow(left: string, right: string): Promise<void> {
  const context = quietContext();
  const [one, other] = [left, right].map((url) =>
    comparableMembers([memberOf('mariadb', { url }, { name: 'orders' })], context),
  );
  const found = await compare(one!, other!, context);
  const said = found.members.orders!.differences.map(({ object, message }) => `${object} ${message}`);
  if (said.join() !== 'table/orders 1 row changed: id=424242')
    throw new Error(`it says ${said.join() || 'nothing'}`);
}

/** How they end where there are differences. */
const [DIFFERENT, CHUNK_DIFFERS] = [2, 16];

function dsnOf({ server, line }: Side): string {
  return `h=127.0.0.1,P=${line.port},u=root,p=${server.password}`;
}

function syncOf(left: Side, right: Side): string[] {
  const table = (side: Side): string => `${dsnOf(side)},D=shop,t=orders`;
  return ['pt-table-sync', '--print', '--no-check-slave', '--no-check-triggers', table(left), table(right)];
}

function checksumOf(source: Side): string[] {
  const replicas = `--recursion-method=dsn=${dsnOf(source)},D=percona,t=dsns`;
  return ['pt-table-checksum', '--databases=shop', '--tables=orders', replicas, dsnOf(source)];
}
