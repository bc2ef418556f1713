import { join } from 'node:path';
import { startWorkload, type Workload } from '../workload/parent.ts';

export { type BankCheck, checkBank, type StoreBooks } from './books.ts';
export { readBank, readBooks } from './ledgers.ts';

export type Bank = Workload<{ readonly moves: number }>;

/**
 * A bank over two or more stores, Postgres or Redis by URL, whose eight workers move money between them until stopped
 * or disposed of. The stores get tables `accounts` and `workers`, or keys of these names. They are given in one order,
 * and their books are checked in the same: `checkBank(await readBank(restoredUrls))`.
 */
export function startBank(
  urls: readonly string[],
  options: { readonly restMs?: number } = {},
): Promise<Bank> {
  return startWorkload(join(import.meta.dirname, 'main.ts'), {
    BANK_STORES: JSON.stringify(urls),
    BANK_REST_MS: String(options.restMs ?? 1),
  });
}
