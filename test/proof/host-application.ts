import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Member } from '../../provider/coordinator/member.ts';
import { once } from '../../provider/core/content.ts';
import type { Context } from '../../provider/core/context.ts';
import type { Driver } from '../../provider/core/driver.ts';
import type { Host } from '../../provider/core/host.ts';
import type { Store } from '../../provider/core/store.ts';
import { localHost } from '../../provider/hosts/local/host.ts';
import { STORE_TYPES } from '../../provider/stores/registry.ts';
import { makeRingImage } from '../support/container/ring.ts';
import type { LabHere } from '../support/lab.ts';
import { startMariadb } from '../support/mariadb-server.ts';
import { memberOf } from '../support/member.ts';
import { labHost, on, until } from '../support/process/rig.ts';
import { startService } from '../support/process/servers.ts';
import { ASK_RING, LOAD_RING } from '../support/ring.ts';
import type { SqlServer } from '../support/sql-server.ts';
import { makeGuest, startQemu } from '../support/vm/rig.ts';
import type { Sabotaged } from './sabotage-runs.ts';

const PROGRAM = join(import.meta.dirname, '../support/process/ring.py');
const SECRET = 'photographs';

export type HostMember = 'tree' | 'box' | 'machine' | 'stock';

/** A tree of processes and a VM on one host, a container on the other, and a MariaDB; all of them real and at work. */
export interface HostApplication extends Sabotaged<HostMember> {
  readonly cloud: Host;
  readonly sovereign: Host;
  readonly stock: SqlServer;
  /** What somebody has ended runs again. */
  reviveTree(): Promise<void>;
  reviveBox(): Promise<void>;
  reviveMachine(): Promise<void>;
}

/** Beside the monitor that Stasis speaks to, one for whoever else has to do with the VM. */
export const STRANGERS_MONITOR = '/run/strangers.sock';
export const TREE_PID_FILE = '/run/ring.pid';
export const BOX = 'ring';

const IMAGE = 'localhost/ring:1';
const MACHINE = '/run/machine';
const SPECS = {
  tree: ['process', { pidFile: TREE_PID_FILE, files: ['/srv/ring'] }],
  box: ['container', { name: BOX }],
  machine: ['vm', { qmp: `${MACHINE}/qmp.sock` }],
} as const;

/** PIDFILE: ends whoever it names, also one that is stopped or frozen by now. */
const END = `
pid=$(cat "$1" 2> /dev/null) || exit 0
kill -9 "$pid" 2> /dev/null
group=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$pid/cgroup" 2> /dev/null)
[ "$group" = /sys/fs/cgroup ] || [ "$group" = /sys/fs/cgroup/ ] || echo 0 > "$group/cgroup.freeze"
while kill -0 "$pid" 2> /dev/null; do sleep 0.02; done
rm -f "$1"
`;

const RUN_BOX = `
podman container rm --force --time 0 --ignore -- "$1" > /dev/null
podman run --detach --name "$1" --volume numbers:/srv/ring "$2" python3 -I -S -B /opt/ring.py /srv/ring > /dev/null
`;

export async function startHostApplication(here: LabHere): Promise<HostApplication> {
  await using starting = new AsyncDisposableStack();
  const lab = starting.use(await here.start());
  const cloud = starting.use(labHost(lab, 'cloud'));
  const sovereign = starting.use(labHost(lab, 'sovereign'));
  const stock = await startMariadb({ settings: { 'log-bin': 'log' } });
  starting.defer(() => stock.stop());
  const root = await mkdtemp(join(tmpdir(), 'stasis-host-app-'));
  starting.defer(() => rm(root, { recursive: true, force: true }));

  const { signal } = new AbortController();
  await cloud.write('/opt/ring.py', once(await readFile(PROGRAM)), { signal });
  const startTree = async (): Promise<void> => {
    await on(cloud, END, TREE_PID_FILE);
    await startService(cloud, 'ring', 'root', 'python3', '/opt/ring.py', '/srv/ring');
    await until(async () => (await on(cloud, ASK_RING, 'look').catch(() => '')) !== '');
  };
  const startBox = async (): Promise<void> => {
    await on(sovereign, RUN_BOX, BOX, IMAGE);
  };
  const startMachine = async (): Promise<void> => {
    await on(cloud, END, `${MACHINE}/pid`);
    const more = ['-qmp', `unix:${STRANGERS_MONITOR},server=on,wait=off`];
    await startQemu(cloud, MACHINE, { more });
  };
  await Promise.all([
    startTree().then(() => startService(cloud, 'load', 'root', 'python3', '-c', LOAD_RING)),
    makeRingImage(sovereign, IMAGE).then(startBox),
    makeGuest(cloud).then(startMachine),
    fillStock(stock),
  ]);
  const specs = {
    ...SPECS,
    stock: ['mariadb', { url: `mariadb://photographer:${SECRET}@127.0.0.1:${stock.port}/shop` }],
  } as const;
  const hosts = { tree: cloud, box: sovereign, machine: cloud, stock: localHost() };
  const resources = starting.move();
  return {
    cloud,
    sovereign,
    stock,
    reviveTree: startTree,
    reviveBox: startBox,
    reviveMachine: startMachine,
    member: (name: HostMember, change: (driver: Driver) => Driver): Member => {
      const [driverName, spec] = specs[name];
      const member = memberOf(driverName, spec, { name, host: hosts[name] });
      return { ...member, driver: change(member.driver) };
    },
    openStore: (context: Context): Promise<Store> =>
      STORE_TYPES[0]!.open({ path: join(root, 'store') }, context),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

async function fillStock(stock: SqlServer): Promise<void> {
  await stock.query(`CREATE DATABASE shop;
    CREATE USER photographer@'127.0.0.1' IDENTIFIED BY '${SECRET}'; GRANT ALL PRIVILEGES ON *.* TO photographer@'127.0.0.1';
    CREATE TABLE shop.notes (id int AUTO_INCREMENT PRIMARY KEY, word text);
    CREATE TABLE shop.account (id int PRIMARY KEY, balance int); INSERT INTO shop.account VALUES (1, 100)`);
}

/** What runs is at work by itself; the database is written to all the time. */
export function keepStockBusy({ stock }: HostApplication): AsyncDisposable {
  let running = true;
  const working = (async () => {
    while (running) {
      await stock.query('UPDATE account SET balance = balance + 1', 'shop');
      await sleep(3);
    }
  })();
  return {
    [Symbol.asyncDispose]: async () => {
      running = false;
      await working;
    },
  };
}
