import { fencedRestore } from '../../provider/coordinator/fence.ts';
import { checkBank, readBank, type StoreBooks } from '../support/bank/bank.ts';
import type { Customers } from '../support/bank/customers.ts';
import { connectLedger } from '../support/bank/ledgers.ts';
import { testContext } from '../support/context.ts';
import { KINDS, moreMoves, movingBank } from './moving-bank.ts';
import type { Proof, ProofCase, ProofOptions } from './proof.ts';
import { leaveBehind } from './unfenced.ts';

const SWITCHES = 25;
const SHORT_SWITCHES = 2;
const STORES = KINDS.join(', ');

/** A bank moves to other servers in the midst of its work, and its customers with it; or is left behind by a restore. */
export const fenceProof: Proof = {
  name: 'fence',
  claim:
    'a fenced switch-over of a bank under load loses no operation and does none twice, and without a fence the lost work that is reported is the lost work that is counted',
  async run(options) {
    const figures: Record<string, number> = {
      'operations acknowledged': 0,
      lost: 0,
      'done twice or wrongly': 0,
    };
    const downMs: number[] = [];
    const fenced = await repeated(`${STORES}, fenced`, options, async () => {
      const found = await switchOver(options);
      figures['operations acknowledged']! += found.operations;
      figures.lost! += found.lost;
      figures['done twice or wrongly']! += found.faults.length;
      downMs.push(found.downMs);
      return {
        told: `${found.operations} operations, refused for ${Math.round(found.downMs)} ms`,
        faults: [...found.faults, ...(found.lost > 0 ? [`${found.lost} operations are lost`] : [])],
      };
    });
    const sorted = downMs.toSorted((a, b) => a - b);
    figures['median ms of refused writes'] = Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0);
    figures['unfenced: lost work counted'] = 0;
    figures['unfenced: lost work reported'] = 0;
    const unfenced = await repeated(`${STORES}, not fenced`, options, async () => {
      const found = await leaveBehind(options);
      figures['unfenced: lost work counted']! += found.counted;
      figures['unfenced: lost work reported']! += found.reported;
      return { told: `${found.counted} operations lost, ${found.reported} reported`, faults: found.faults };
    });
    const both = [fenced, unfenced];
    return {
      ...{ name: 'fence', figures, complaints: both.flatMap(({ complaints }) => complaints) },
      runs: both.reduce((sum, { runs }) => sum + runs, 0),
      failures: both.reduce((sum, { failures }) => sum + failures, 0),
      cases: both.map(({ complaints: _complaints, ...one }) => one),
    };
  },
};

interface Told {
  readonly told: string;
  readonly faults: readonly string[];
}

async function repeated(
  name: string,
  { short, runs: wanted, say, signal }: ProofOptions,
  once: () => Promise<Told>,
): Promise<ProofCase & { readonly complaints: readonly string[] }> {
  const times = wanted ?? (short ? SHORT_SWITCHES : SWITCHES);
  const complaints: string[] = [];
  let runs = 0;
  for (; runs < times && !signal.aborted; runs += 1) {
    const { told, faults } = await once();
    const outcome = faults.length === 0 ? 'adds up' : faults.join('; ');
    say(`${name}, ${runs + 1} of ${times}: ${told}: ${outcome}`);
    if (faults.length > 0) complaints.push(`${name}, ${runs + 1}: ${outcome}`);
  }
  const failures = complaints.length;
  return { name, runs, failures, outcome: `${runs - failures} of ${runs} add up`, complaints };
}

interface Found {
  readonly operations: number;
  readonly lost: number;
  readonly faults: readonly string[];
  readonly downMs: number;
}

async function switchOver({ signal }: ProofOptions): Promise<Found> {
  await using resources = new AsyncDisposableStack();
  const { here, there, customers, request, originals } = await movingBank(resources, signal);

  const refusedFrom = performance.now();
  const { verdict } = await fencedRestore(request, originals, testContext({ signal }));
  const faults = verdict === 'equivalent' ? [] : [`the restore is ${verdict}`];
  const [books, left] = [await readBank(there), await readBank(here)];
  const lost = missing(customers, books);
  faults.push(...beyond(customers, books), ...checkBank(books).faults);
  if (JSON.stringify(left) !== JSON.stringify(books))
    faults.push('the originals took writes after the fence');
  faults.push(...(await stillTaking(here)));
  customers.moveTo(there);
  const downMs = performance.now() - refusedFrom;
  await moreMoves(customers);
  await customers.stop();
  const after = await readBank(there);
  const { faults: contradictions, underWay } = checkBank(after);
  faults.push(...contradictions, ...beyond(customers, after));
  if (underWay > 0) faults.push(`${underWay} moves are half done`);
  const operations = customers.acknowledged.flat().reduce((sum, number) => sum + number, 0);
  return { operations, lost: lost + missing(customers, after), faults, downMs };
}

/** Operations that were acknowledged and are not there. */
function missing({ acknowledged }: Customers, books: readonly StoreBooks[]): number {
  return acknowledged
    .flatMap((numbers, store) =>
      numbers.map((number, worker) => number - (books[store]!.workers[worker]?.number ?? 0)),
    )
    .reduce((sum, behind) => sum + Math.max(0, behind), 0);
}

/** Operations that are there and that nobody has asked for. */
function beyond({ tried }: Customers, books: readonly StoreBooks[]): string[] {
  return tried.flatMap((numbers, store) =>
    numbers.flatMap((number, worker) =>
      (books[store]!.workers[worker]?.number ?? 0) > number
        ? [`store ${store} has a move of worker ${worker} that was never tried`]
        : [],
    ),
  );
}

/** Stores that take a write, which a fenced one refuses. */
async function stillTaking(urls: readonly string[]): Promise<string[]> {
  const taking: string[] = [];
  for (const [store, url] of urls.entries()) {
    await using ledger = await connectLedger(url);
    const write = { worker: 0, number: 0, account: 0, amount: 0, seen: [] };
    const refused = await ledger.write(write).then(
      () => false,
      () => true,
    );
    if (!refused) taking.push(`store ${store} takes writes behind its fence`);
  }
  return taking;
}
