import { proofTest } from './proof-test.ts';
import { sabotageProof } from './sabotage.ts';

proofTest(sabotageProof);
