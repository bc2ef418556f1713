import { fenceProof } from './fence.ts';
import { proofTest } from './proof-test.ts';

proofTest(fenceProof);
