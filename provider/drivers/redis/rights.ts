import { type Command, type Connection, list, type Reply, ReplyError, text } from './connection.ts';

export type Right = 'granted' | 'denied' | 'unknown-command' | 'untold';

/**
 * Whether the login may run these commands, without running them: ACL DRYRUN where there is one (7.0) and the login
 * may use it; otherwise by queueing them in a transaction that is then discarded, as rights are checked at queueing.
 * What neither tells shows when the command is run.
 */
export async function checkRights(
  connection: Connection,
  commands: readonly Command[],
  signal: AbortSignal,
): Promise<Right[]> {
  const who = text(await connection.attempt(['ACL', 'WHOAMI'], { signal }));
  const dry = await connection.pipeline(
    commands.map((command) => ['ACL', 'DRYRUN', who, ...command]),
    { signal },
  );
  if (!dry.some(meansNoDryRun)) return dry.map(rightOfDryRun);
  const replies = await connection.pipeline([['MULTI'], ...commands, ['DISCARD']], { signal });
  const queued = commands.map((_command, index) => rightOfQueueing(replies[index + 1]));
  return askScript(connection, commands, queued, signal);
}

/** Commands that no transaction takes, such as SYNC since 7.0: a script may ask for the right, where the login may run one. */
async function askScript(
  connection: Connection,
  commands: readonly Command[],
  known: readonly Right[],
  signal: AbortSignal,
): Promise<Right[]> {
  const ask = 'return redis.acl_check_cmd(unpack(ARGV)) and 1 or 0';
  const replies = await connection.pipeline(
    commands.map((command) => ['EVAL', ask, '0', ...command]),
    { signal },
  );
  return known.map((right, index) => {
    if (right !== 'untold') return right;
    return replies[index] === 1 ? 'granted' : replies[index] === 0 ? 'denied' : 'untold';
  });
}

/** Up to 6.2 it is an "Unknown subcommand or wrong number of arguments for 'DRYRUN'", which is no word on the command asked about. */
function meansNoDryRun(reply: Reply | ReplyError): boolean {
  if (!(reply instanceof ReplyError)) return false;
  return /for 'DRYRUN'/i.test(reply.message) || !/Command '.*' not found|wrong number/i.test(reply.message);
}

function rightOfDryRun(reply: Reply | ReplyError): Right {
  if (reply instanceof ReplyError) return /not found/i.test(reply.message) ? 'unknown-command' : 'untold';
  const said = text(reply);
  if (said === 'OK') return 'granted';
  // 7.0 answers a refusal as text: "This user has no permissions to run the 'sync' command".
  return /no permissions/i.test(said) ? 'denied' : 'untold';
}

function rightOfQueueing(reply: Reply | ReplyError | undefined): Right {
  if (!(reply instanceof ReplyError)) return text(reply) === 'QUEUED' ? 'granted' : 'untold';
  if (reply.code === 'NOPERM') return 'denied';
  return /unknown (sub)?command/i.test(reply.message) ? 'unknown-command' : 'untold';
}

/** Users are read where that is allowed; a login that may not is none the worse for it. */
export async function mayReadUsers(connection: Connection, signal: AbortSignal): Promise<boolean> {
  const reply = await connection.attempt(['ACL', 'LIST'], { signal });
  return !(reply instanceof ReplyError) && list(reply).length > 0;
}
