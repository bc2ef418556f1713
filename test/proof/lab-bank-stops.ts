import type { Member } from '../../provider/coordinator/member.ts';
import type { HoldKind } from '../../provider/core/certificate.ts';
import type { Host } from '../../provider/core/host.ts';
import { readBooks, type StoreBooks } from '../support/bank/bank.ts';
import type { HostName, Lab } from '../support/lab.ts';
import { type BankService, bankServiceOf, startBankService } from '../support/lab-servers/bank-service.ts';
import { type LabStore, type StoreKind, startStore } from '../support/lab-servers/servers.ts';
import { memberOf } from '../support/member.ts';
import { labHost, on } from '../support/process/rig.ts';
import { type LedgerVm, readDisk, startLedgerVm } from '../support/vm/ledger-vm.ts';

/**
 * `drivers`: the bank's process is frozen and dumped and its VM stopped and saved by QEMU, its stores are drained and
 * marked by their own means.
 * `mixed`: the same, but Redis is frozen and dumped with its memory, in the same first step as the bank, and brought back
 * beside it.
 * `full`: all of it, QEMU as well, is frozen and dumped with its memory, and brought back on one host, where it goes on.
 */
export type BankMode = 'drivers' | 'mixed' | 'full';

/** What is captured as the processes that it is, besides the bank's own. */
const FROZEN: Readonly<Record<BankMode, readonly (StoreKind | 'vm')[]>> = {
  drivers: [],
  mixed: ['redis'],
  full: ['postgres', 'redis', 'mariadb', 'vm'],
};

/** Where money stops: one store of the bank, as a member, and what it is restored into. */
export interface Stop {
  readonly member: Member;
  readonly twin: Member;
  /** How the mode holds it. */
  readonly held: HoldKind;
  /** The original's books at one instant. */
  books(): Promise<StoreBooks>;
  /** What the restored one has. */
  twinBooks(): Promise<StoreBooks>;
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
/** A guest in software takes most of a core for every byte of its line. Moves are under way in most cuts all the same. */
const REST_MS = 200;

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
  const frozen = FROZEN[options.mode];
  const twin = twinBank('twin', hosts);
  const placed = await Promise.all(
    STORES.map(async ({ kind, at }, index): Promise<Placed> => {
      const capturable = frozen.includes(kind);
      const store = await startStore(kind, hosts[at], { relaxed: options.relaxed, capturable });
      const url = store.url(lab.hosts[at].address);
      const stop = capturable
        ? frozenStop(
            kind,
            store,
            hosts,
            () => readBooks(url),
            () => twin.booksOf(index),
          )
        : await drainedStop(store, url, lab, OTHER[at], hosts[OTHER[at]]);
      return { url, stop };
    }),
  );
  const vm = options.vm ? await placedVm(lab, hosts, frozen.includes('vm'), twin) : undefined;
  const urls = [...placed.map(({ url }) => url), 'memory:', ...(vm ? [vm.url] : [])];
  const service = await startBankService(hosts.cloud, urls, { restMs: REST_MS });
  const bank: Stop = {
    member: memberOf('process', { pidFile: service.pidFile }, { name: 'bank', host: hosts.cloud }),
    twin: twinMember('bank', 'twin', hosts.sovereign),
    held: 'frozen',
    books: () => service.books(),
    twinBooks: () => twin.books(),
  };
  const stops = [...placed.map(({ stop }) => stop), bank, ...(vm ? [vm.stop] : [])];
  const owned = resources.move();
  return {
    ...{ stops, service, hosts },
    async twinBooks() {
      if (frozen.length > 0) await restAsLeft(twin, options.mode);
      const books: StoreBooks[] = [];
      for (const stop of stops) books.push(await stop.twinBooks());
      return books;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A stop of the bank, and where the bank finds it. */
interface Placed {
  readonly url: string;
  readonly stop: Stop;
}
export type Hosts = Readonly<Record<HostName, Host>>;

/**
 * Until no worker of the twin writes. With all of its stores beside it each finishes its move; without, each ends at the
 * first store that is not there, in the order of its move.
 */
async function restAsLeft(twin: BankService, mode: BankMode): Promise<void> {
  const { errors } = await twin.rest();
  if (mode === 'full' && errors.length > 0)
    throw new Error(`the restored bank did not go on: ${errors.join('; ')}`);
  if (mode !== 'full' && errors.length === 0)
    throw new Error('the restored bank went on with stores of the original');
}

/** By its URL, restored into a server that stands on the other host. */
async function drainedStop(
  store: LabStore,
  url: string,
  lab: Lab,
  otherName: HostName,
  other: Host,
): Promise<Stop> {
  const twin = await startStore(store.kind, other);
  return {
    member: storeMember(store),
    twin: storeMember(twin),
    held: 'drained',
    books: () => readBooks(url),
    twinBooks: () => readBooks(twin.url(lab.hosts[otherName].address)),
  };
}

/** As the processes that it is, restored on the host where all of the twin lives. */
function frozenStop(
  name: string,
  { host, pidFile, folder }: Pick<LabStore, 'host' | 'pidFile' | 'folder'>,
  hosts: Hosts,
  books: Stop['books'],
  twinBooks: Stop['twinBooks'],
): Stop {
  return {
    member: memberOf('process', { pidFile, files: [folder] }, { name, host }),
    twin: twinMember(name, 'twin', hosts.sovereign),
    ...{ held: 'frozen', books, twinBooks },
  };
}

async function placedVm(lab: Lab, hosts: Hosts, frozen: boolean, twin: BankService): Promise<Placed> {
  const vm = await startLedgerVm(hosts[VM_AT]);
  const books = (): Promise<StoreBooks> => vm.books();
  const stop = frozen
    ? frozenStop('vm', vm, hosts, books, () => booksOfFrozenVm(hosts.sovereign, vm.folder, twin))
    : savedVm(vm, hosts[OTHER[VM_AT]], books);
  return { url: vm.url(lab.hosts[VM_AT].address), stop };
}

/** By QMP, restored on the other host. */
function savedVm(vm: LedgerVm, other: Host, books: Stop['books']): Stop {
  const folder = '/srv/twins';
  return {
    member: memberOf('vm', { qmp: vm.qmp }, { host: vm.host }),
    twin: memberOf('vm', { qmp: '/run/ledger-twin/qmp.sock', folder }, { host: other }),
    ...{ held: 'frozen', books },
    twinBooks: () => booksOfEndedVm(other, folder),
  };
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

/** Its disk as the restored QEMU sees it, in the folders of its own. */
async function booksOfFrozenVm(host: Host, folder: string, twin: BankService): Promise<StoreBooks> {
  // By the line that lives on, which is none of the disk's: the guest that answers is the one that has written.
  const told = await twin.booksOf(STORES.length + 1);
  const pid = await on(host, 'cat "$1"', pidFileOf('vm', 'twin'));
  const written = await readDisk(host, `/proc/${pid}/root${folder}/disk.raw`);
  if (JSON.stringify(told) !== JSON.stringify(written))
    throw new Error('the restored guest tells other books than its disk has');
  return written;
}

/** By its URL as it is seen on its own host, by way of which it is reached. */
function storeMember(store: LabStore): Member {
  return memberOf(store.kind, { url: store.url('127.0.0.1') }, { host: store.host });
}

/** What a member that was captured as a process is restored into, as one of the twin's of that name. */
export function twinMember(name: string, twin: string, host: Host): Member {
  return memberOf('process', { pidFile: pidFileOf(name, twin) }, { name, host });
}

/** The bank's process of a twin. */
export function twinBank(twin: string, hosts: Hosts): BankService {
  return bankServiceOf(hosts.sovereign, pidFileOf('bank', twin));
}

function pidFileOf(name: string, twin: string): string {
  return `/run/${name}-${twin}.pid`;
}
