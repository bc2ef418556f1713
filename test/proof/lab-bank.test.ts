import { labOrReason } from '../support/lab.ts';
import { labBankProof } from './lab-bank.ts';
import { proofTest } from './proof-test.ts';

const lab = await labOrReason();

proofTest(labBankProof(lab), lab.reason);
