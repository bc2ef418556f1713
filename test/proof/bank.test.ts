import { bankProof } from './bank.ts';
import { proofTest } from './proof-test.ts';

proofTest(bankProof);
