import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { once } from '../../../provider/core/content.ts';
import type { Host } from '../../../provider/core/host.ts';
import type { StoreBooks } from '../bank/books.ts';
import { noIoUring, on, until } from '../process/rig.ts';
import { booksOnDisk, SLOT_BYTES } from './ledger-disk.ts';
import { makeSystem, startQemu } from './rig.ts';

const SYSTEM = '/opt/ledger';
const QMP = '/run/ledger-qmp.sock';
const PORT = 7072;
const BOOT_MS = 120_000;

/** A VM whose guest keeps a store of the bank on its disk. It ends with the lab. */
export interface LedgerVm {
  readonly host: Host;
  readonly folder: string;
  readonly pidFile: string;
  readonly qmp: string;
  url(address: string): string;
  /** What its disk has. */
  books(): Promise<StoreBooks>;
  /** As after a power cut: QEMU is killed and started anew; returns once the guest has read its disk. */
  crash(): Promise<void>;
}

export async function startLedgerVm(host: Host): Promise<LedgerVm> {
  const { signal } = new AbortController();
  const folder = '/srv/ledger';
  const program = await readFile(join(import.meta.dirname, 'ledger.pl'));
  await on(host, 'mkdir -p "$1" && btrfs subvolume create "$2" > /dev/null', SYSTEM, folder);
  await host.write(`${SYSTEM}/ledger.pl`, once(program), { signal, mode: 0o644 });
  await host.write(`${SYSTEM}/no-io-uring`, once(noIoUring()), { signal, mode: 0o644 });
  const modules = await on(host, `perl -Mstrict -Mwarnings -Mconstant -e 'print join "\\n", values %INC'`);
  const files = ['/usr/bin/perl', `${SYSTEM}/ledger.pl`, ...modules.split('\n')];
  await makeSystem(host, SYSTEM, 'ledger.sh', files);
  await boot(host, folder);
  return {
    ...{ host, folder, pidFile: `${folder}/pid`, qmp: QMP },
    url: (address) => `vm://${address}:${PORT}`,
    books: () => readDisk(host, `${folder}/disk.raw`),
    async crash() {
      await on(
        host,
        'read -r p < "$1/pid" && kill -9 "$p" && while [ -d "/proc/$p" ]; do sleep 0.02; done',
        folder,
      );
      await boot(host, folder);
    },
  };
}

async function boot(host: Host, folder: string): Promise<void> {
  await startQemu(host, folder, {
    ...{ format: 'raw', system: SYSTEM, filter: `${SYSTEM}/no-io-uring` },
    // Not in the folder: a restore makes the socket anew, which is then another file.
    qmp: QMP,
    more: ['-serial', `tcp:0.0.0.0:${PORT},server=on,wait=off,nodelay=on`],
  });
  await until(async () => (await on(host, 'cat "$1"', `${folder}/serial`)).includes('LEDGER'), BOOT_MS);
}

/** The books of a ledger's raw disk, which its guest may be writing to. */
export async function readDisk(host: Host, path: string): Promise<StoreBooks> {
  let books: StoreBooks | undefined;
  // Between the readings of the two slots both may have been written to.
  await until(async () => {
    books = booksOnDisk(await on(host, 'head -c "$2" "$1" | tr "\\0" .', path, String(2 * SLOT_BYTES)));
    return books !== undefined;
  });
  return books!;
}
