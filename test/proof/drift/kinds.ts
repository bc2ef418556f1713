import type { Kind } from './drift.ts';
import { filesKind } from './files/subject.ts';
import { mariadbKind } from './mariadb/subject.ts';
import { postgresKind } from './postgres/subject.ts';
import { redisKind } from './redis/subject.ts';

/** Every driver that the judgement of is tried. */
export async function driftKinds(): Promise<Kind[]> {
  return [await postgresKind(), mariadbKind(), await redisKind(), filesKind()];
}
