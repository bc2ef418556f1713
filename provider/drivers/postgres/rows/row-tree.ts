const WORD = '18446744073709551616';
const wrapped = (sum: string): string => `mod(mod(${sum}, ${WORD}) + ${WORD}, ${WORD})`;

/** The digest of core's `nodeOf`, over rows of `count`, `high` and `low`. */
export const NODE_DIGEST = `pg_catalog.md5(sum(count) || ' ' || ${wrapped('sum(high)')} || ' ' || ${wrapped('sum(low)')})`;
