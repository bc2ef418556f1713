import { StasisError } from '../../../core/errors.ts';
import { sleep } from '../../../core/wait.ts';
import { type Command, type Connection, ReplyError } from '../connection.ts';
import { type Info, numberOf, readInfo } from '../info.ts';
import { replyProblem } from '../problems.ts';

/** A stand-in master that a target was told to follow. */
export interface Followed {
  readonly host: string;
  readonly port: number;
}

/** The user that a target logs in to a stand-in with; a target whose `masteruser` it is follows one, or did. */
export const STAND_IN_USER = 'stasis-stand-in';

/** What lets a server go on by itself; the login to the stand-in was not set before it was told to follow. */
const FORGET: readonly Command[] = [
  ['CONFIG', 'SET', 'masterauth', ''],
  ['CONFIG', 'SET', 'masteruser', ''],
];

/** A server that loads answers nothing else; it takes a few seconds a GB. */
const LOADING_MS = 120_000;
const LOADING_POLL_MS = 100;

export function follows(info: Info, { host, port }: Followed): boolean {
  return (
    info.get('role') === 'slave' && info.get('master_host') === host && numberOf(info, 'master_port') === port
  );
}

/**
 * Makes a server that follows this stand-in a master again, and forgets the login. One that follows nobody, or
 * somebody else, keeps its role; a login that is not the stand-in's is kept as well. Idempotent.
 *
 * @throws StasisError `redis.refused`, `redis.loading` when it still loads after two minutes
 */
export async function stopFollowing(
  connection: Connection,
  followed: Followed,
  signal: AbortSignal,
): Promise<void> {
  const untilMs = performance.now() + LOADING_MS;
  while (follows(await readInfo(connection, signal), followed)) {
    const reply = await connection.attempt(['REPLICAOF', 'NO', 'ONE'], { signal });
    if (!(reply instanceof ReplyError)) break;
    if (reply.code !== 'LOADING' || performance.now() > untilMs) throw replyProblem(['REPLICAOF'], reply);
    await sleep(LOADING_POLL_MS, signal);
  }
  if ((await readSetting(connection, 'masteruser', signal)) !== STAND_IN_USER) return;
  const replies = await connection.pipeline(FORGET, { signal });
  const refused = replies.find((reply) => reply instanceof ReplyError);
  if (refused instanceof ReplyError) throw replyProblem(FORGET[0]!, refused);
}

/** A line of the server's configuration; undefined where it has none of that name, or does not tell. */
export async function readSetting(
  connection: Connection,
  name: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const reply = await connection.attempt(['CONFIG', 'GET', name], { signal });
  const value = Array.isArray(reply) ? (reply[1] as unknown) : undefined;
  return Buffer.isBuffer(value) ? value.toString() : undefined;
}

export function followFailed(why: string, cause?: unknown): StasisError {
  return new StasisError('redis.follow-failed', `The target did not load by following: ${why}.`, {
    at: ['url'],
    cause,
  });
}
