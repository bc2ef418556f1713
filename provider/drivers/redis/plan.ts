import type { Context } from '../../core/context.ts';
import type { CapturePlan } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import { formatBytes } from '../../core/units.ts';
import { type Command, Connection, list, ReplyError, text } from './connection.ts';
import { outsideOf } from './coverage.ts';
import { factsOf, type Info, numberOf, productName, readInfo, type ServerFacts } from './info.ts';
import { atUrl, clusterProblem, replicaProblem, sentinelProblem } from './problems.ts';
import { checkRights, mayReadUsers } from './rights.ts';
import type { RedisSpec } from './spec.ts';

const AT_URL = ['url'];
/** A fork took 35 ms a GB (reference/freeze.md), and the exchanges around it some milliseconds more. */
const FORK_MS_PER_BYTE = 35 / 1e9;
const EXCHANGES_MS = 5;
/** The first version whose CLIENT PAUSE can stop writes alone. */
const OLDEST = { major: 6, minor: 2 };

/** What a capture has to run, with arguments as it gives them. */
const CAPTURE_COMMANDS: readonly Command[] = [
  ['CLIENT', 'SETNAME', 'stasis-capture'],
  ['CLIENT', 'ID'],
  ['CLIENT', 'PAUSE', '1000', 'WRITE'],
  ['CLIENT', 'UNPAUSE'],
  ['SYNC'],
];

/** Reads only; every problem at `url`. */
export async function planCapture(spec: RedisSpec, context: Context): Promise<CapturePlan> {
  const { signal } = context;
  try {
    await using connection = await Connection.open(spec, signal);
    const info = await readInfo(connection, signal);
    const facts = factsOf(info);
    const problems = [...kindProblems(info), ...memoryProblems(facts), ...saveProblems(info)];
    if (problems.length === 0) problems.push(...(await rightProblems(connection, CAPTURE_COMMANDS, signal)));
    const users = await whyNoUsers(spec, connection, signal);
    return {
      problems,
      identities: identitiesOf(facts),
      folders: [],
      sizeBytes: facts.usedMemoryBytes,
      pauseMs: Math.ceil(EXCHANGES_MS + facts.usedMemoryBytes * FORK_MS_PER_BYTE),
      outside: outsideOf(info, await modulesOf(connection, signal), users),
      system: { product: facts.product, version: facts.version, name: productName(facts) },
    };
  } catch (error) {
    return {
      problems: [atUrl(error)],
      identities: [],
      folders: [],
      sizeBytes: 0,
      pauseMs: 0,
      outside: [],
      system: {},
    };
  }
}

/** The server's own id, made anew at each of its starts: two URLs of one server are one system. */
export function identitiesOf(facts: ServerFacts): string[] {
  return facts.runId === '' ? [] : [`redis:${facts.runId}`];
}

/** Undefined when ACL users are captured; otherwise why not. */
export async function whyNoUsers(
  spec: RedisSpec,
  connection: Connection,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (spec.acl === false) return 'not asked for';
  return (await mayReadUsers(connection, signal)) ? undefined : 'the login may not read them';
}

/** Kinds of servers that this driver does not work with. */
export function kindProblems(info: Info): StasisError[] {
  const { mode, role, major, minor, ...facts } = factsOf(info);
  if (mode === 'sentinel') return [sentinelProblem()];
  if (mode === 'cluster' || numberOf(info, 'cluster_enabled') === 1) return [clusterProblem()];
  const problems: StasisError[] = [];
  if (role !== 'master') problems.push(replicaProblem());
  if (major < OLDEST.major || (major === OLDEST.major && minor < OLDEST.minor))
    problems.push(
      new StasisError(
        'redis.too-old',
        `${productName(facts)} is older than 6.2, which was the first that can hold back writes alone.`,
        {
          hint: 'Upgrade the server.',
          at: AT_URL,
        },
      ),
    );
  if (numberOf(info, 'loading') === 1)
    problems.push(
      new StasisError('redis.loading', 'The server is still loading its data.', {
        hint: 'Try again when it has started.',
        at: AT_URL,
      }),
    );
  return problems;
}

/** @throws StasisError the first of `kindProblems` */
export function refuseKind(info: Info): void {
  const [problem] = kindProblems(info);
  if (problem) throw problem;
}

/**
 * The child shares the server's memory page by page; what the application writes while it lives is copied. At worst
 * that doubles it. And a kernel that does not overcommit (vm.overcommit_memory 2, or 0 when it finds it absurd)
 * refuses the fork outright.
 */
export function memoryProblems(
  facts: Pick<ServerFacts, 'usedMemoryBytes' | 'systemMemoryBytes'>,
): StasisError[] {
  const { usedMemoryBytes, systemMemoryBytes } = facts;
  if (systemMemoryBytes === 0 || usedMemoryBytes * 2 <= systemMemoryBytes) return [];
  return [
    new StasisError(
      'redis.fork-memory',
      `The server uses ${formatBytes(usedMemoryBytes)} of its machine's ${formatBytes(systemMemoryBytes)}; while a capture's child lives it may need up to twice that.`,
      {
        hint: 'Capture when little is written, or give the machine more memory; vm.overcommit_memory has to be 1.',
        at: AT_URL,
        severity: usedMemoryBytes > systemMemoryBytes * 0.9 ? 'error' : 'warning',
      },
    ),
  ];
}

/** A SYNC saves like BGSAVE, into the server's dump file, also where the server itself never saves. */
function saveProblems(info: Info): StasisError[] {
  if (info.get('rdb_last_bgsave_status') !== 'err') return [];
  return [
    new StasisError(
      'redis.save-failing',
      "The server's last background save failed, and a capture needs one.",
      {
        hint: 'See the server log: its disk may be full or its folder not writable, or memory for a fork be missing.',
        at: AT_URL,
      },
    ),
  ];
}

export async function rightProblems(
  connection: Connection,
  commands: readonly Command[],
  signal: AbortSignal,
): Promise<StasisError[]> {
  const rights = await checkRights(connection, commands, signal);
  const named = (wanted: string): string[] =>
    commands.filter((_command, index) => rights[index] === wanted).map(commandName);
  const problems: StasisError[] = [];
  const [denied, unknown] = [named('denied'), named('unknown-command')];
  if (denied.length > 0)
    problems.push(
      new StasisError('redis.rights', `The login may not run ${denied.join(', ').toUpperCase()}.`, {
        hint: `Grant it: ACL SETUSER <user> ${denied.map((name) => `+${name.replace(' ', '|')}`).join(' ')}.`,
        at: AT_URL,
        details: { denied },
      }),
    );
  if (unknown.length > 0)
    problems.push(
      new StasisError(
        unknown.includes('sync') ? 'redis.sync-refused' : 'redis.command-missing',
        `The server has no command ${unknown.join(', ').toUpperCase()}.`,
        {
          hint: 'Managed services remove commands, and a capture cannot do without these: capture a server that you run yourself.',
          at: AT_URL,
          details: { unknown },
        },
      ),
    );
  return problems;
}

const WITH_SUBCOMMANDS = new Set(['CLIENT', 'ACL', 'FUNCTION']);

function commandName(command: Command): string {
  const [name, sub] = command.map(String);
  return (WITH_SUBCOMMANDS.has(name!) ? `${name} ${sub}` : name!).toLowerCase();
}

export async function modulesOf(connection: Connection, signal: AbortSignal): Promise<string[]> {
  const reply = await connection.attempt(['MODULE', 'LIST'], { signal });
  if (reply instanceof ReplyError) return [];
  return list(reply).map((module) => text(list(module)[1]));
}
