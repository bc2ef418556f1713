import { deathProof } from './death.ts';
import { proofTest } from './proof-test.ts';

proofTest(deathProof);
