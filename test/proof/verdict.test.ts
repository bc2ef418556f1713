import { expect, test } from '@jest/globals';
import { labOrReason } from '../support/lab.ts';
import { driftKinds } from './drift/kinds.ts';
import { proofTest } from './proof-test.ts';
import { CLEAN_RESTORES, TO_CATCH, verdictProof } from './verdict.ts';
import { documentedTotals, undocumented } from './verdict-docs.ts';

const kinds = await driftKinds(await labOrReason());

proofTest(verdictProof(kinds));

test('the docs have a row for every change that is tried', async () => {
  expect(await undocumented(kinds)).toEqual([]);
});

test('the docs show a run, or its pieces, in which enough was named and nothing alarmed about falsely', async () => {
  const { changes, named, cleanRestores, falseAlarms } = await documentedTotals();
  expect(named).toBeGreaterThanOrEqual(TO_CATCH * changes);
  expect(cleanRestores).toBeGreaterThanOrEqual(CLEAN_RESTORES);
  expect(falseAlarms).toBe(0);
});
