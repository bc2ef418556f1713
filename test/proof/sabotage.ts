import { type Application, keepBusy, startApplication } from './application.ts';
import type { Proof } from './proof.ts';
import { type Stage, sabotageOf } from './sabotage-runs.ts';
import { evidenceWays } from './ways/evidence.ts';
import { folderWays } from './ways/files.ts';
import { clockWays, postgresWays } from './ways/postgres.ts';
import { redisWays } from './ways/redis.ts';
import type { MemberName } from './ways/way.ts';

const STAGE: Stage<Application, MemberName> = {
  start: startApplication,
  keepBusy,
  // A cut that is tried in vain waits for most of its time.
  lanes: 3,
  limits: { maxPauseMs: 1_500, maxBlurMs: 0 },
  controls: [
    ['a', 'b', 'redis'],
    ['a', 'redis', 'folder'],
    ['a', 'b'],
  ],
  ways: [
    ...redisWays,
    ...evidenceWays('redis', ['a', 'b', 'redis']),
    ...postgresWays,
    ...clockWays,
    ...folderWays,
  ],
  // Two of three, of every kind: more than thirty.
  short: (index) => index % 3 !== 2,
};

/** Each kind of hold and mark of databases and folders, broken for real, is never sealed as sharp. */
export const sabotageProof: Proof = sabotageOf(
  STAGE,
  'a hold or mark that was broken is judged blurry, or the capture fails, every time',
);
