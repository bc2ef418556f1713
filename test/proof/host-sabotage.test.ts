import { labOrReason } from '../support/lab.ts';
import { hostSabotageProof, missingFor } from './host-sabotage.ts';
import { proofTest } from './proof-test.ts';

const lab = await labOrReason();
proofTest(hostSabotageProof(lab), missingFor(lab));
