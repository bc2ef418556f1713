import { spawnSync } from 'node:child_process';
import { comparableMembers, compare } from '../../provider/coordinator/compare.ts';
import { findMariadb, startMariadb } from '../../test/support/mariadb-server.ts';
import { memberOf } from '../../test/support/member.ts';
import { quietContext } from './context.ts';
import { type Cost, countingLine } from './counting-line.ts';
import { type Figure, shareOf } from './figure.ts';
import { timedRun } from './run.ts';

const ROWS = 1_000_000;
const PEER = 'pt-table-sync';

/**
 * What it takes to name one row that differs between two running MariaDB servers, against Percona's pt-table-sync, which
 * reads both tables in chunks and prints statements for what differs (pt-table-checksum needs a replica). Of both servers.
 */
export async function compareMariadb(): Promise<readonly Figure[]> {
  const missing = whyNot();
  if (missing !== undefined) {
    console.error(`compare: MariaDB skipped, ${missing}`);
    return [];
  }
  await using resources = new AsyncDisposableStack();
  const [left, right] = await Promise.all([startSide(resources), startSide(resources)]);
  await right.server.query('UPDATE orders SET customer = customer + 1 WHERE id = 424242', 'shop');
  const cost = async (work: () => Promise<unknown>): Promise<Cost> => {
    let inner: Cost | undefined;
    const outer = await left.line.cost(async () => {
      inner = await right.line.cost(async () => void (await work()));
    });
    return { tookMs: outer.tookMs, readBytes: outer.readBytes + inner!.readBytes };
  };
  const ours = await cost(() => nameRow(left.url, right.url));
  const peer = await cost(() => timedRun(syncOf(left, right), { cwd: '/', env: process.env }, DIFFERENT));
  const figure = (unit: string, what: keyof Cost): Figure =>
    shareOf({
      ...{ name: 'name 1 of 1,000,000 rows of two MariaDB', unit, ours: ours[what], peer: peer[what] },
      peerName: PEER,
    });
  return [figure('bytes', 'readBytes'), figure('ms', 'tookMs')];
}

function whyNot(): string | undefined {
  if (findMariadb() === undefined) return 'no MariaDB server on this machine';
  const found = spawnSync(PEER, ['--version']);
  return found.status === 0 ? undefined : `no ${PEER} on this machine (percona-toolkit)`;
}

async function startSide(resources: AsyncDisposableStack) {
  const server = await startMariadb();
  resources.defer(() => server.stop());
  await server.query('CREATE DATABASE shop');
  await server.query(
    `CREATE TABLE orders (id bigint PRIMARY KEY, customer int, state varchar(10), note varchar(40));
     INSERT INTO orders SELECT seq, seq % 5000, 'paid', MD5(seq) FROM seq_1_to_${ROWS}`,
    'shop',
  );
  const line = resources.use(await countingLine(server.port));
  const url = new URL(server.url('shop'));
  url.port = String(line.port);
  return { server, line, url: url.href };
}

type Side = Awaited<ReturnType<typeof startSide>>;

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

/** How it ends where there are differences. */
const DIFFERENT = 2;

function syncOf(left: Side, right: Side): string[] {
  const dsn = ({ server, line }: Side): string =>
    `h=127.0.0.1,P=${line.port},u=root,p=${server.password},D=shop,t=orders`;
  return [PEER, '--print', '--no-check-slave', '--no-check-triggers', dsn(left), dsn(right)];
}
