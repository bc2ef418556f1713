import { expect } from '@jest/globals';
import { connectLedger } from '../bank/ledgers.ts';
import { ACCOUNTS, FIRST_BALANCE, WORKERS } from '../bank/moves.ts';
import { labOrReason } from '../lab.ts';
import { labHost } from '../process/rig.ts';
import { testUnless } from '../skipped.ts';
import { startLedgerVm } from './ledger-vm.ts';

const here = await labOrReason();
const PATIENCE_MS = 300_000;

testUnless(here.reason)(
  'a guest has on its disk what it has acknowledged, refuses what does not follow, and outlasts a power cut',
  async () => {
    await using lab = await here.start();
    await using host = labHost(lab, 'sovereign');
    const vm = await startLedgerVm(host);
    const url = vm.url(lab.hosts.sovereign.address);
    const write = { worker: 3, number: 1, account: 7, amount: -250, seen: [[1, 0], [2]] };
    const books = {
      balances: Array.from({ length: ACCOUNTS }, (_, account) => FIRST_BALANCE - (account === 7 ? 250 : 0)),
      workers: Array.from({ length: WORKERS }, (_, worker) =>
        worker === 3 ? { number: 1, seen: write.seen } : { number: 0, seen: [] },
      ),
    };
    {
      await using ledger = await connectLedger(url);
      await ledger.open();
      await ledger.write(write);
      expect(await vm.books()).toEqual(books);
      await expect(ledger.write({ ...write, number: 3 })).rejects.toThrow('refused 3 3');
    }
    await vm.crash();
    await using again = await connectLedger(url);
    expect(await again.read()).toEqual(books);
    const next = { ...write, number: 2, account: 8, amount: 250 };
    await again.write(next);
    expect(await again.read()).toEqual({
      ...books,
      balances: books.balances.with(8, FIRST_BALANCE + 250),
      workers: books.workers.with(3, { number: 2, seen: write.seen }),
    });
    expect(await vm.books()).toEqual(await again.read());
  },
  PATIENCE_MS,
);
