import { expect, test } from '@jest/globals';
import { driftKinds } from './drift/kinds.ts';
import { proofTest } from './proof-test.ts';
import { verdictProof } from './verdict.ts';
import { undocumented } from './verdict-docs.ts';

const kinds = await driftKinds();

proofTest(verdictProof(kinds));

test('the docs have a row for every change that is tried', async () => {
  expect(await undocumented(kinds)).toEqual([]);
});
