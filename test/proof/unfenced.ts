import { lostWork } from '../../provider/coordinator/lost-work.ts';
import { restore } from '../../provider/coordinator/restore.ts';
import type { Probe } from '../../provider/core/probe.ts';
import { readBank } from '../support/bank/ledgers.ts';
import { WORKERS } from '../support/bank/moves.ts';
import { testContext } from '../support/context.ts';
import { KINDS, memberName, moreMoves, movingBank } from './moving-bank.ts';
import type { ProofOptions } from './proof.ts';

/** What one restore has lost that was not fenced, in operations. */
interface Loss {
  readonly counted: number;
  readonly reported: number;
  readonly faults: readonly string[];
}

const COMPARISON = { rows: 'unordered' } as const;
const ASKED = { comparison: COMPARISON, timeoutMs: 5_000, required: true };

/** How many operations each worker has done in each store, as a user would ask. */
const PROBES: readonly Probe[] = KINDS.flatMap((kind, store) =>
  Array.from({ length: WORKERS }, (_, worker): Probe => {
    const asked = { name: `done-${store}-${worker}`, member: memberName(store), ...ASKED };
    return kind === 'redis'
      ? { ...asked, question: { kind: 'redis', words: ['HGET', `worker:${worker}`, 'number'] } }
      : { ...asked, question: { kind: 'sql', words: [`SELECT number FROM workers WHERE id = ${worker}`] } };
  }),
);

/**
 * Restores the bank while its customers go on with the originals. What they have done since the cut is counted from
 * what was acknowledged to them and from the books of the twin, which the report of the lost work knows nothing of.
 */
export async function leaveBehind({ signal }: ProofOptions): Promise<Loss> {
  await using resources = new AsyncDisposableStack();
  const context = testContext({ signal });
  const { there, customers, request, originals } = await movingBank(resources, signal, PROBES);
  await moreMoves(customers);
  const { verdict } = await restore(request, context);
  await customers.stop();
  const lost = await lostWork(request.snapshot, originals, context);

  const faults = verdict === 'equivalent' ? [] : [`the restore is ${verdict}`];
  const books = await readBank(there);
  const sums = { counted: 0, reported: 0 };
  for (const [store, numbers] of customers.acknowledged.entries()) {
    const found = lost[memberName(store)]!;
    for (const [worker, number] of numbers.entries()) {
      const counted = number - books[store]!.workers[worker]!.number;
      const reported = found.changes[`done-${store}-${worker}`];
      if (counted !== reported)
        faults.push(`store ${store}, worker ${worker}: ${reported} reported, ${counted} counted`);
      sums.counted += counted;
      sums.reported += reported ?? 0;
    }
    if (!found.read || found.differenceCount === 0) faults.push(`store ${store}: ${found.message}`);
  }
  if (sums.counted === 0) faults.push('nothing was done since the cut: this shows nothing');
  return { ...sums, faults };
}
