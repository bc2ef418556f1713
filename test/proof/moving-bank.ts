import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { capture } from '../../provider/coordinator/capture.ts';
import type { Member } from '../../provider/coordinator/member.ts';
import type { RestoreRequest } from '../../provider/coordinator/restore-plan.ts';
import type { Probe } from '../../provider/core/probe.ts';
import { sleep } from '../../provider/core/wait.ts';
import { STORE_TYPES } from '../../provider/stores/registry.ts';
import { Customers } from '../support/bank/customers.ts';
import { connectLedger } from '../support/bank/ledgers.ts';
import { testContext } from '../support/context.ts';
import { findMariadb, startMariadb } from '../support/mariadb-server.ts';
import { memberOf } from '../support/member.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { startRedis } from '../support/redis-server.ts';

const LIMITS = { maxPauseMs: 3_000, maxBlurMs: 0 };
/** Of the stores, in order; MariaDB where it is installed. */
export const KINDS = ['postgres', 'redis', ...(findMariadb() === undefined ? [] : ['mariadb'])];
/** Who may write to a MariaDB that is read only is not to be a customer. */
const CUSTOMER = 'customer';
/** Moves before a switch-over, and after it. */
const BUSY_MOVES = 300;
const WAIT_MS = 60_000;

/** A bank under load that has been photographed, and servers that it can move to. */
export interface MovingBank {
  readonly here: readonly string[];
  readonly there: readonly string[];
  readonly customers: Customers;
  readonly request: RestoreRequest;
  /** Of where the bank runs. */
  readonly originals: readonly Member[];
}

/** URLs of one server of each kind, for whoever moves them and for their customers. */
interface Site {
  readonly members: readonly string[];
  readonly customers: readonly string[];
}

async function startSite(resources: AsyncDisposableStack): Promise<Site> {
  const [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
  resources.defer(async () => {
    await Promise.all([postgres.stop(), redis.stop()]);
  });
  const both = [postgres.url(), redis.url];
  if (!KINDS.includes('mariadb')) return { members: both, customers: both };
  const mariadb = resources.use(await startMariadb());
  await mariadb.query(`CREATE DATABASE bank; CREATE USER ${CUSTOMER}@'%' IDENTIFIED BY '${CUSTOMER}';
    GRANT ALL ON bank.* TO ${CUSTOMER}@'%'`);
  return {
    members: [...both, mariadb.url('bank')],
    customers: [...both, mariadb.url('bank', CUSTOMER, CUSTOMER)],
  };
}

/** All that is started ends with `resources`. */
export async function movingBank(
  resources: AsyncDisposableStack,
  signal: AbortSignal,
  probes: readonly Probe[] = [],
): Promise<MovingBank> {
  const [from, to] = await Promise.all([startSite(resources), startSite(resources)]);
  const [here, there] = [from.customers, to.customers];
  const folder = await mkdtemp(join(tmpdir(), 'stasis-moving-'));
  resources.defer(() => rm(folder, { recursive: true, force: true }));
  const context = testContext({ signal });
  const store = await STORE_TYPES[0]!.open({ path: join(folder, 'store') }, context);
  for (const url of here) {
    await using ledger = await connectLedger(url);
    await ledger.open();
  }
  const customers = new Customers(here);
  resources.defer(async () => {
    // Whoever waits to be told where to go on would wait for ever.
    customers.moveTo(here);
    await customers.stop().catch(() => undefined);
  });
  await moreMoves(customers);
  const [originals, createdBy] = [membersOf(from.members), 'proof'];
  const asked = {
    name: 'bank',
    owner: 'proof',
    members: originals,
    store,
    limits: LIMITS,
    createdBy,
    probes,
  };
  const sealed = await capture(asked, context);
  const request: RestoreRequest = {
    ...{ restoreId: 'move', store, members: membersOf(to.members), verify: 'equivalent', overwrite: true },
    ...{ safetySnapshot: false, expiry: 'absolute', createdBy },
    snapshot: await store.open(sealed.name, sealed.digest, context),
  };
  return { here, there, customers, request, originals };
}

export function memberName(store: number): string {
  return `store${store}`;
}

function membersOf(urls: readonly string[]): Member[] {
  return urls.map((url, store) => memberOf(KINDS[store]!, { url }, { name: memberName(store) }));
}

/** Until the customers have done some more. */
export async function moreMoves(customers: Customers): Promise<void> {
  const wanted = customers.moves + BUSY_MOVES;
  const untilMs = performance.now() + WAIT_MS;
  while (customers.moves <= wanted) {
    if (performance.now() > untilMs) throw new Error('the customers do not get on');
    await sleep(10);
  }
}
