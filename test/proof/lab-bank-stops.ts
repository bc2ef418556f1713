import type { Member } from '../../provider/coordinator/member.ts';
import type { HoldKind } from '../../provider/core/certificate.ts';
import type { Host } from '../../provider/core/host.ts';
import { DRIVERS } from '../../provider/drivers/registry.ts';
import { readBooks, type StoreBooks } from '../support/bank/bank.ts';
import type { HostName, Lab } from '../support/lab.ts';
import { type BankService, bankServiceOf, startBankService } from '../support/lab-servers/bank-service.ts';
import { type LabStore, type StoreKind, startStore } from '../support/lab-servers/servers.ts';
import { labHost, on } from '../support/process/rig.ts';
import { type LedgerVm, readDisk, startLedgerVm } from '../support/vm/ledger-vm.ts';

/**
 * `drivers`: the bank's process is frozen and dumped and its VM stopped and saved by QEMU, its stores are drained and
 * marked by their own means.
 * `full`: all of it, QEMU as well, is frozen and dumped with its memory, and brought back on one host, where it goes on.
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
const VM_AT: HostName = 'sovereign';
const OTHER: Readonly<Record<HostName, HostName>> = { cloud: 'sovereign', sovereign: 'cloud' };
const REST_MS = 10;

export interface LabBankOptions {
  readonly mode: BankMode;
  readonly relaxed: boolean;
  /** Whether a VM in software is the last stop: it takes a good part of a core. */
  readonly vm: boolean;
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
  const vm = options.vm ? await startLedgerVm(hosts[VM_AT]) : undefined;
  const last = vm ? [vm.url(lab.hosts[VM_AT].address)] : [];
  const urls = [...stores.map(({ url }) => url), 'memory:', ...last];
  const service = await startBankService(hosts.cloud, urls, { restMs: REST_MS });
  const bank: Stop = {
    member: memberOf('bank', 'process', { pidFile: service.pidFile }, hosts.cloud),
    twin: twinMember('bank', 'twin', hosts.sovereign),
    held: 'frozen',
    books: () => service.books(),
  };
  const twin = twinBank('twin', hosts);
  const made =
    options.mode === 'full'
      ? frozenStores(stores, vm, hosts, twin)
      : await drainedStores(stores, vm, lab, hosts, twin);
  const owned = resources.move();
  return {
    ...{ stops: [...made.stops, bank, ...made.vm], service, twinBooks: made.twinBooks, hosts },
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
interface StoresOfMode extends Pick<LabBank, 'stops' | 'twinBooks'> {
  readonly vm: readonly Stop[];
}

/** Each by its URL, restored into a server that stands on the other host. */
async function drainedStores(
  stores: readonly PlacedStore[],
  vm: LedgerVm | undefined,
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
  const twinVm = { host: hosts[OTHER[VM_AT]], qmp: '/run/ledger-twin/qmp.sock', folder: '/srv/twins' };
  return {
    vm: stopsOf(vm, (one) => ({
      member: memberOf('vm', 'vm', { qmp: one.qmp }, one.host),
      twin: memberOf('vm', 'vm', { qmp: twinVm.qmp, folder: twinVm.folder }, twinVm.host),
    })),
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
        ...(vm ? [booksOfEndedVm(twinVm.host, twinVm.folder)] : []),
      ]),
  };
}

function stopsOf(vm: LedgerVm | undefined, as: (vm: LedgerVm) => Pick<Stop, 'member' | 'twin'>): Stop[] {
  return vm ? [{ ...as(vm), held: 'frozen', books: () => vm.books() }] : [];
}

/** Ends the restored VM, whose port the next one is going to need; what its disk has then. */
async function booksOfEndedVm(host: Host, folder: string): Promise<StoreBooks> {
  const restored = await on(host, END_VM, folder);
  const books = await readDisk(host, `${restored}/disk.raw`);
  await on(host, 'rm -rf "$1"', restored);
  return books;
}

/** In the only folder there; prints it. */
const END_VM = `
for restored in "$1"/*/; do
  read -r p < "$restored/stasis-qemu.pid" && kill "$p" || exit 1
  while [ -d "/proc/$p" ]; do sleep 0.02; done
  printf %s "$restored"
done
`;

/** Each as the processes that it is, restored on the host where all of the twin lives. */
function frozenStores(
  stores: readonly PlacedStore[],
  vm: LedgerVm | undefined,
  hosts: Hosts,
  twinBank: BankService,
): StoresOfMode {
  return {
    vm: stopsOf(vm, (one) => ({
      member: memberOf('vm', 'process', { pidFile: one.pidFile, files: [one.folder] }, one.host),
      twin: twinMember('vm', 'twin', hosts.sovereign),
    })),
    stops: stores.map(({ store, url }) => ({
      member: memberOf(store.kind, 'process', { pidFile: store.pidFile, files: [store.folder] }, store.host),
      twin: twinMember(store.kind, 'twin', hosts.sovereign),
      held: 'frozen',
      books: () => readBooks(url),
    })),
    async twinBooks() {
      const { errors } = await twinBank.rest();
      if (errors.length > 0) throw new Error(`the restored bank did not go on: ${errors.join('; ')}`);
      const told = await twinBank.all();
      if (vm === undefined) return told;
      const written = await booksOfFrozenVm(hosts.sovereign, pidFileOf('vm', 'twin'), vm.folder);
      // By the line that lives on, which is none of the disk's: the guest that answers is the one that has written.
      if (JSON.stringify(told.at(-1)) !== JSON.stringify(written))
        throw new Error('the restored guest tells other books than its disk has');
      return [...told.slice(0, -1), written];
    },
  };
}

/** Its disk as the restored QEMU sees it, in the folders of its own. */
async function booksOfFrozenVm(host: Host, pidFile: string, folder: string): Promise<StoreBooks> {
  const pid = await on(host, 'cat "$1"', pidFile);
  return readDisk(host, `/proc/${pid}/root${folder}/disk.raw`);
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
