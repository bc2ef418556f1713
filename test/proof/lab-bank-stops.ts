import type { Member } from '../../provider/coordinator/member.ts';
import type { HoldKind } from '../../provider/core/certificate.ts';
import type { Host } from '../../provider/core/host.ts';
import { DRIVERS } from '../../provider/drivers/registry.ts';
import { readBooks, type StoreBooks } from '../support/bank/bank.ts';
import type { HostName, Lab } from '../support/lab.ts';
import { type BankService, bankServiceOf, startBankService } from '../support/lab-servers/bank-service.ts';
import { type LabStore, type StoreKind, startStore } from '../support/lab-servers/servers.ts';
import { labHost } from '../support/process/rig.ts';

/**
 * `drivers`: the bank's process is frozen and dumped, its stores are drained and marked by their own means.
 * `full`: all of it is frozen and dumped with its memory, and brought back on one host, where it goes on.
 */
export type BankMode = 'drivers' | 'full';

/** Where money stops: one store of the bank, as a member, and what it is restored into. */
export interface Stop {
  readonly member: Member;
  readonly twin: Member;
  /** How the mode holds it. */
  readonly held: HoldKind;
  /** The original's books at one instant. */
  books(): Promise<StoreBooks>;
}

export interface LabBank extends AsyncDisposable {
  /** In the order of the bank's stores. */
  readonly stops: readonly Stop[];
  readonly service: BankService;
  /** What the twin has, in the same order. */
  twinBooks(): Promise<StoreBooks[]>;
  readonly hosts: Hosts;
}

/** Which store lives where; its twin is on the other host. */
const STORES: readonly { readonly kind: StoreKind; readonly at: HostName }[] = [
  { kind: 'postgres', at: 'cloud' },
  { kind: 'redis', at: 'sovereign' },
  { kind: 'mariadb', at: 'sovereign' },
];
const OTHER: Readonly<Record<HostName, HostName>> = { cloud: 'sovereign', sovereign: 'cloud' };
const REST_MS = 4;

export interface LabBankOptions {
  readonly mode: BankMode;
  readonly relaxed: boolean;
}

export async function startLabBank(lab: Lab, options: LabBankOptions): Promise<LabBank> {
  await using resources = new AsyncDisposableStack();
  const hosts = {
    cloud: resources.use(labHost(lab, 'cloud')),
    sovereign: resources.use(labHost(lab, 'sovereign')),
  };
  const capturable = options.mode === 'full';
  const stores = await Promise.all(
    STORES.map(async ({ kind, at }) => {
      const store = await startStore(kind, hosts[at], { relaxed: options.relaxed, capturable });
      return { store, at, url: store.url(lab.hosts[at].address) };
    }),
  );
  const urls = stores.map(({ url }) => url);
  const service = await startBankService(hosts.cloud, [...urls, 'memory:'], { restMs: REST_MS });
  const bank: Stop = {
    member: memberOf('bank', 'process', { pidFile: service.pidFile }, hosts.cloud),
    twin: twinMember('bank', 'twin', hosts.sovereign),
    held: 'frozen',
    books: () => service.books(),
  };
  const twin = twinBank('twin', hosts);
  const made =
    options.mode === 'full'
      ? frozenStores(stores, hosts, twin)
      : await drainedStores(stores, lab, hosts, twin);
  const owned = resources.move();
  return {
    ...{ stops: [...made.stops, bank], service, twinBooks: made.twinBooks, hosts },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

interface PlacedStore {
  readonly store: LabStore;
  readonly at: HostName;
  /** As the bank knows it. */
  readonly url: string;
}
export type Hosts = Readonly<Record<HostName, Host>>;
type StoresOfMode = Pick<LabBank, 'stops' | 'twinBooks'>;

/** Each by its URL, restored into a server that stands on the other host. */
async function drainedStores(
  stores: readonly PlacedStore[],
  lab: Lab,
  hosts: Hosts,
  twinBank: BankService,
): Promise<StoresOfMode> {
  const pairs = await Promise.all(
    stores.map(async (placed) => ({
      ...placed,
      twin: await startStore(placed.store.kind, hosts[OTHER[placed.at]]),
    })),
  );
  return {
    stops: pairs.map(({ store, url, twin }) => ({
      member: storeMember(store),
      twin: storeMember(twin),
      held: 'drained',
      books: () => readBooks(url),
    })),
    twinBooks: () =>
      Promise.all([
        ...pairs.map(({ twin, at }) => readBooks(twin.url(lab.hosts[OTHER[at]].address))),
        twinBank.books(),
      ]),
  };
}

/** Each as the processes that it is, restored on the host where all of the twin lives. */
function frozenStores(stores: readonly PlacedStore[], hosts: Hosts, twinBank: BankService): StoresOfMode {
  return {
    stops: stores.map(({ store, url }) => ({
      member: memberOf(store.kind, 'process', { pidFile: store.pidFile, files: [store.folder] }, store.host),
      twin: twinMember(store.kind, 'twin', hosts.sovereign),
      held: 'frozen',
      books: () => readBooks(url),
    })),
    async twinBooks() {
      const { errors } = await twinBank.rest();
      if (errors.length > 0) throw new Error(`the restored bank did not go on: ${errors.join('; ')}`);
      return twinBank.all();
    },
  };
}

/** By its URL as it is seen on its own host, by way of which it is reached. */
function storeMember(store: LabStore): Member {
  return memberOf(store.kind, store.kind, { url: store.url('127.0.0.1') }, store.host);
}

function memberOf(name: string, driverName: string, spec: object, host: Host): Member {
  const driver = DRIVERS.find((one) => one.name === driverName)!;
  return { name, driver, spec: driver.spec.parse(spec), host };
}

/** What a member that was captured as a process is restored into, as one of the twin's of that name. */
export function twinMember(name: string, twin: string, host: Host): Member {
  return memberOf(name, 'process', { pidFile: pidFileOf(name, twin) }, host);
}

/** The bank's process of a twin. */
export function twinBank(twin: string, hosts: Hosts): BankService {
  return bankServiceOf(hosts.sovereign, pidFileOf('bank', twin));
}

function pidFileOf(name: string, twin: string): string {
  return `/run/${name}-${twin}.pid`;
}
