import { labOrReason } from '../support/lab.ts';
import { hostDeathProof } from './host-death.ts';
import { proofTest } from './proof-test.ts';

const lab = await labOrReason();

proofTest(hostDeathProof(lab), lab.reason);
