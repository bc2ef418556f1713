import { hash } from 'node:crypto';
import type { ItemNode } from '../../../core/items.ts';

/** Of a node: how many rows lie below it, and the sums of the halves of their MD5 as in the table's own digest. */
export interface RowSum {
  readonly count: number;
  readonly high: bigint;
  readonly low: bigint;
}

/** Equal on both sides exactly when the sums are. */
export function nodeOf(path: string, { count, high, low }: RowSum): ItemNode {
  const words = [high, low].map((sum) => BigInt.asUintN(64, sum));
  return { path, count, digest: hash('md5', [count, ...words].join(' '), 'hex') };
}

const WORD = '18446744073709551616';
const wrapped = (sum: string): string => `mod(mod(${sum}, ${WORD}) + ${WORD}, ${WORD})`;

/** The digest of `nodeOf` in SQL. */
export const NODE_DIGEST = `pg_catalog.md5(sum(count) || ' ' || ${wrapped('sum(high)')} || ' ' || ${wrapped('sum(low)')})`;
