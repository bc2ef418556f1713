import type { LabHere } from '../../support/lab.ts';
import { containerKind } from './container/subject.ts';
import type { Kind } from './drift.ts';
import { filesKind } from './files/subject.ts';
import { mariadbKind } from './mariadb/subject.ts';
import { postgresKind } from './postgres/subject.ts';
import { processKind } from './process/subject.ts';
import { redisKind } from './redis/subject.ts';
import { vmKind } from './vm/subject.ts';

/** Every driver that the judgement of is tried. */
export async function driftKinds(lab: LabHere): Promise<Kind[]> {
  return [
    await postgresKind(),
    mariadbKind(),
    await redisKind(),
    filesKind(),
    processKind(lab),
    containerKind(lab),
    vmKind(lab),
  ];
}
