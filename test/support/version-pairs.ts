import { obtainVersions, type TestedVersion } from './postgres-versions.ts';
import type { RedisBinary } from './redis-server.ts';
import { redisVersions } from './redis-versions.ts';

/** Two versions of a system of which the newer one's state does not go into the older one; or why there are none. */
export interface VersionPair<Version> {
  readonly older?: Version;
  readonly newer?: Version;
  readonly reason?: string;
}

export async function postgresPair(): Promise<VersionPair<TestedVersion>> {
  const { tested, untested } = await obtainVersions();
  const [older, newer] = [tested[0], tested.at(-1)];
  if (older !== undefined && newer !== undefined && older.major < newer.major) return { older, newer };
  const missing = untested.map(({ major, reason }) => `${major}: ${reason}`);
  return { reason: `only one version of PostgreSQL can be had here; ${missing.join('; ')}` };
}

export async function redisPair(): Promise<VersionPair<RedisBinary>> {
  const { servers, untested } = await redisVersions();
  const majorOf = ({ version }: RedisBinary): number => Number.parseInt(version, 10);
  const all = servers
    .filter(({ product }) => product === 'redis')
    .toSorted((a, b) => majorOf(a) - majorOf(b));
  const [older, newer] = [all[0], all.at(-1)];
  if (older !== undefined && newer !== undefined && majorOf(older) < majorOf(newer)) return { older, newer };
  return { reason: `only one version of Redis can be had here; ${untested.join('; ')}` };
}
