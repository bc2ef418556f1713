import { hash } from 'node:crypto';
import type { Condition, Reading } from '../../core/certificate.ts';
import type { Clock } from '../../core/context.ts';
import { bytes, type Command, type Connection, list, ReplyError } from './connection.ts';
import { type Info, numberOf, parseInfo } from './info.ts';
import { replyProblem } from './problems.ts';

/** `*1 $4 PING` with its line ends: what the server sends its replicas now and then. */
const PING_BYTES = 14;

/**
 * One look at the server's counters, by one INFO. What each is worth:
 *
 * - `changes` (rdb_changes_since_last_save) is moved by every write command. A finished save takes off what it saved,
 *   which `epochOf` puts back for the save that our own SYNC started.
 * - `offset` (master_repl_offset) is moved by every write command once there is a replication backlog: our SYNC makes
 *   one if need be. Until then it may stand still, and `changes` is the witness. The server's own PING to its replicas
 *   moves it as well, once in 10 s, by exactly PING_BYTES; see `offsetOf`.
 * - `evicted`, `expired`: keys and fields that the server itself removed; `changes` does not count them. A lock by
 *   CLIENT PAUSE stops both.
 * - `forks` (total_forks) is moved by every child: BGSAVE, a replica's sync, a rewrite of the AOF, a module's.
 * - `pauseCalls`: how often CLIENT PAUSE and UNPAUSE ran (until 7.0 any CLIENT command, which are not told apart).
 *   Without one of them nobody wrote within our lock, also in the moment before there is a backlog.
 */
export interface Counters {
  readonly runId: string;
  readonly replicationId: string;
  readonly changes: number;
  readonly offset: number;
  readonly evicted: number;
  readonly expired: number;
  readonly forks: number;
  /** Whether a replication backlog is kept, so that every write moves the offset. */
  readonly backlog: boolean;
  /** Calls of commands that save in the foreground or forget what was changed. */
  readonly saves: number;
  readonly pauseCalls: number;
  /** A child runs, or a replica waits for one. */
  readonly busyWith: string | undefined;
  /** Whether the last background save went well. */
  readonly saved: boolean;
  /** Of the ACL users, where they are captured; empty otherwise. */
  readonly users: string;
}

/** Counters with when they were asked for and answered, and the keys that were there. */
export interface Look {
  readonly sentNs: number;
  readonly acknowledgedNs: number;
  readonly counters: Counters;
  readonly info: Info;
  readonly aclList: readonly Buffer[];
}

export interface LookOptions {
  readonly clock: Clock;
  /** Read the ACL users as well. */
  readonly acl: boolean;
  readonly signal?: AbortSignal;
  /** Sent in the same write, before the look. */
  readonly before?: Command;
  /** The same after it. */
  readonly after?: Command;
}

/** INFO of all sections takes the server less than 0.1 ms; one exchange keeps the counters of one instant together. */
export async function look(connection: Connection, options: LookOptions): Promise<Look> {
  const { clock, acl, signal, before, after } = options;
  const readings: Command[] = [['INFO', 'all'], ...(acl ? [['ACL', 'LIST']] : [])];
  const commands = [...(before ? [before] : []), ...readings, ...(after ? [after] : [])];
  const sentNs = clock.nowNs();
  const replies = await connection.pipeline(commands, { signal });
  const acknowledgedNs = clock.nowNs();
  for (const [index, command] of commands.entries()) refuse(command, replies[index]);
  const [infoReply, aclReply] = before ? replies.slice(1) : replies;
  const info = parseInfo(infoReply);
  const aclList = acl ? list(aclReply).map(bytes) : [];
  return { sentNs, acknowledgedNs, info, aclList, counters: countersOf(info, aclList) };
}

function refuse(command: Command, reply: unknown): void {
  if (reply instanceof ReplyError) throw replyProblem(command, reply);
}

function countersOf(info: Info, aclList: readonly Buffer[]): Counters {
  const expired = ['expired_keys', 'expired_subkeys', 'expired_fields'];
  return {
    runId: info.get('run_id') ?? '',
    replicationId: info.get('master_replid') ?? '',
    changes: numberOf(info, 'rdb_changes_since_last_save'),
    offset: numberOf(info, 'master_repl_offset'),
    evicted: numberOf(info, 'evicted_keys'),
    expired: expired.reduce((sum, name) => sum + numberOf(info, name), 0),
    forks: numberOf(info, 'total_forks'),
    backlog: numberOf(info, 'repl_backlog_active') === 1,
    saves: ['save', 'flushall', 'debug', 'shutdown'].reduce((sum, name) => sum + callsOf(info, name), 0),
    pauseCalls: ['client|pause', 'client|unpause', 'client'].reduce(
      (sum, name) => sum + callsOf(info, name),
      0,
    ),
    busyWith: busyWith(info),
    saved: info.get('rdb_last_bgsave_status') !== 'err',
    users: aclList.length === 0 ? '' : hash('sha256', Buffer.concat(aclList), 'hex').slice(0, 16),
  };
}

function callsOf(info: Info, command: string): number {
  return Number(/^calls=(\d+)/.exec(info.get(`cmdstat_${command}`) ?? '')?.[1] ?? 0);
}

const CHILDREN = {
  rdb_bgsave_in_progress: 'a background save',
  aof_rewrite_in_progress: 'a rewrite of the append-only file',
  aof_rewrite_scheduled: 'a scheduled rewrite of the append-only file',
  module_fork_in_progress: 'a child of a module',
  slot_migration_fork_in_progress: 'a slot migration',
  loading: 'loading its data',
} as const;

function busyWith(info: Info): string | undefined {
  for (const [name, what] of Object.entries(CHILDREN)) if (numberOf(info, name) !== 0) return what;
  for (const [name, value] of info)
    if (
      /^slave\d+$/.test(name) &&
      /state=(wait_bgsave|wait_bgsave_start|wait_bgsave_end|send_bulk)/.test(value)
    )
      return 'the sync of a replica';
  return undefined;
}

/**
 * The reading's value: equal for two looks exactly when no write came between them. `start` is the first look of the
 * lock: where the save that our SYNC started has ended since, the changes that it took off are put back.
 */
export function epochOf(counters: Counters, start: Counters): string {
  const ended =
    counters.forks > start.forks && counters.saved && counters.busyWith !== CHILDREN.rdb_bgsave_in_progress;
  const changes = ended ? counters.changes + start.changes : counters.changes;
  const parts = [
    `run ${counters.runId.slice(0, 16)}`,
    `changes ${changes}`,
    `offset ${offsetOf(counters, start)}`,
  ];
  parts.push(`evicted ${counters.evicted}`, `expired ${counters.expired}`);
  if (counters.users !== '') parts.push(`users ${counters.users}`);
  return parts.join(' ');
}

/**
 * The write offset but for one PING since `start`. No write is as short: the shortest has 18 bytes (FLUSHALL), one with
 * a key 20.
 */
function offsetOf(counters: Counters, start: Counters): number {
  return counters.offset - start.offset === PING_BYTES ? start.offset : counters.offset;
}

export function readingOf({ sentNs, acknowledgedNs, counters }: Look, start: Look): Reading {
  return { sentNs, acknowledgedNs, value: epochOf(counters, start.counters) };
}

/** One fork, by us, with nothing before it: the child has the state of between `before` and `after`. */
export function forkConditions(before: Look, after: Look): Condition[] {
  return [
    { claim: 'children before the fork', expected: 'none', observed: before.counters.busyWith ?? 'none' },
    {
      claim: 'forks between the readings',
      expected: '1',
      observed: String(after.counters.forks - before.counters.forks),
    },
  ];
}

/** What must be so from the first reading of the lock to the last one. */
export function lockConditions(first: Look, fork: Look | undefined, last: Look): Condition[] {
  const conditions: Condition[] = [
    {
      claim: 'calls of CLIENT PAUSE or UNPAUSE by others within the lock',
      expected: '0',
      observed: String(last.counters.pauseCalls - first.counters.pauseCalls),
    },
  ];
  const forks = last.counters.forks - first.counters.forks;
  conditions.push({ claim: 'forks within the lock', expected: fork ? '1' : '0', observed: String(forks) });
  if (!fork) return conditions;
  conditions.push(
    { claim: 'children before the lock', expected: 'none', observed: first.counters.busyWith ?? 'none' },
    {
      claim: 'write offset at the release, as at the fork',
      expected: String(offsetOf(fork.counters, first.counters)),
      observed: String(offsetOf(last.counters, first.counters)),
    },
    {
      claim: 'replication id at the release, as at the fork',
      expected: fork.counters.replicationId,
      observed: last.counters.replicationId,
    },
  );
  return conditions;
}
