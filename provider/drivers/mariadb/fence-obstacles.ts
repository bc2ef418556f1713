import type { Context } from '../../core/context.ts';
import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import { Connection } from './connect/connection.ts';
import { listDatabases, selectionOf } from './connect/databases.ts';
import { type Grants, hasGlobally, lacking, parseGrants } from './connect/grants.ts';
import { parsePlace } from './connect/place.ts';
import { type ServerFacts, serverFacts } from './connect/server.ts';
import { listSessions, type ServerSession } from './connect/sessions.ts';
import { identifier, list, optionalText, type Rows, text } from './connect/sql.ts';
import type { Release } from './product/product.ts';
import type { MariadbSpec } from './spec.ts';

/** What keeps the server from being fenced, or writes in spite of it. Reads only. */
export async function obstacles(
  spec: MariadbSpec,
  at: Host,
  { signal }: Context,
): Promise<readonly StasisError[]> {
  const place = parsePlace(spec.url, at);
  await using session = await Connection.open(place, { signal });
  const server = await serverFacts(session, signal);
  const unable = rightsProblems(server);
  if (unable.length > 0) return unable;
  const rows: Rows = (sql) => session.rows(sql, signal);
  const passing = await passingUsers(session, server.release, server.grants, signal);
  const databases = await listDatabases(session, signal);
  const selected = selectionOf(spec, place);
  const besides = databases.filter(({ name }) => selected !== undefined && !selected.includes(name));
  return [
    ...(await goneOn(session, rows, signal)),
    ...(await passedBy(session, rows, server, passing, signal)),
    ...wholeServer(besides.map(({ name }) => name)),
  ];
}

function problem(
  code: string,
  message: string,
  hint: string,
  severity: 'error' | 'warning' = 'error',
): StasisError {
  return new StasisError(`mariadb.${code}`, message, { hint, at: ['url'], severity });
}

/** Of MariaDB who may write all the same is seen in its own database. */
function rightsProblems({ grants, login, release, product: { fence } }: ServerFacts): StasisError[] {
  const missing = fence
    .needed(release)
    .filter((each) => !each.some((privilege) => hasGlobally(grants, privilege)))
    .map(([privilege = '']) => `GRANT ${privilege} ON *.* TO ${login}`);
  if (fence.passing(release).length > 0 && lacking(grants, 'mysql', ['SELECT']).length > 0)
    missing.push(`GRANT SELECT ON mysql.* TO ${login}`);
  if (missing.length === 0) return [];
  return [problem('fence-rights', 'The login may not fence the server.', `${missing.join('; ')}.`)];
}

/** An account that writes to a server that is read only. */
interface PassingUser {
  readonly user: string;
  /** `'root'@'%'` */
  readonly account: string;
}

/** By accounts' names, as a session does not tell which of several accounts of one name it is. */
export async function passingUsers(
  session: Connection,
  release: Release,
  grants: Grants,
  signal: AbortSignal,
): Promise<PassingUser[]> {
  const privileges = session.product.fence.passing(release);
  if (privileges.length === 0 || lacking(grants, 'mysql', ['SELECT']).length > 0) return [];
  const direct = await session.rows(
    `SELECT DISTINCT GRANTEE AS account FROM information_schema.USER_PRIVILEGES
      WHERE PRIVILEGE_TYPE IN (${list(privileges)})`,
    signal,
  );
  const mapped = await session.rows(
    'SELECT User AS user, Host AS host, Role AS role FROM mysql.roles_mapping',
    signal,
  );
  const roles = new Set<string>();
  for (const role of new Set(mapped.map((row) => text(row, 'role')))) {
    const shown = await session.rows(`SHOW GRANTS FOR ${identifier(role)}`, signal);
    const held = parseGrants(shown.map((row) => String(Object.values(row)[0])));
    if (privileges.some((privilege) => hasGlobally(held, privilege))) roles.add(role);
  }
  const accounts = [
    ...direct.map((row) => text(row, 'account')),
    ...mapped
      .filter((row) => roles.has(text(row, 'role')))
      .map((row) => `'${text(row, 'user')}'@'${text(row, 'host')}'`),
  ];
  return [...new Set(accounts)]
    .sort()
    .map((account) => ({ account, user: /^'(.*)'@/.exec(account)?.[1] ?? '' }));
}

/** Of somebody who has logged in or is about to; not the server's own, and not a replica that reads its log. */
export function isClient({ user, command }: ServerSession): boolean {
  return user !== 'system user' && command !== 'Daemon' && !command.startsWith('Binlog Dump');
}

/** What writes without a session that could be refused. */
async function goneOn(session: Connection, rows: Rows, signal: AbortSignal): Promise<StasisError[]> {
  const found: (readonly [string, string])[] = [];
  const prepared = await rows('XA RECOVER');
  if (prepared.length > 0)
    found.push(['prepared XA transactions', 'XA COMMIT or XA ROLLBACK them first (XA RECOVER lists them).']);
  const sessions = await listSessions(session, signal);
  if (sessions.some(({ user, command }) => user === 'system user' && command !== 'Daemon'))
    found.push(['a replication from another server', 'Stop it first: STOP REPLICA.']);
  const [cluster] = await rows(
    "SHOW GLOBAL VARIABLES WHERE Variable_name = 'wsrep_on' AND Value = 'ON' OR Variable_name = 'group_replication_group_name' AND Value <> ''",
  );
  if (cluster) found.push(['the other servers of its cluster', 'Take the server out of the cluster first.']);
  return found.map(([what, hint]) =>
    problem('fence-goes-on', `A fence does not keep ${what} from writing.`, hint),
  );
}

async function passedBy(
  session: Connection,
  rows: Rows,
  { login, product, release }: ServerFacts,
  passing: readonly PassingUser[],
  signal: AbortSignal,
): Promise<StasisError[]> {
  if (passing.length === 0) return [];
  const [privilege = ''] = product.fence.passing(release);
  const own = login.replace(/@[^@]*$/, '');
  const users = new Set(passing.map(({ user }) => user));
  const connected = (await listSessions(session, signal))
    .filter((one) => isClient(one) && one.user !== own && users.has(one.user))
    .map(({ user }) => user);
  const problems = [];
  if (connected.length > 0)
    problems.push(
      problem(
        'fence-passed',
        `Sessions of ${[...new Set(connected)].sort().join(', ')} may write to a server that is read only (${privilege}).`,
        'Stop these clients, or let them log in as somebody without that privilege.',
      ),
    );
  const code = await codeOf(rows, [...users]);
  if (code.length > 0)
    problems.push(
      problem(
        'fence-goes-on',
        `A fence does not keep ${code.join(', ')} from writing, whose definer has ${privilege}.`,
        'Give them a definer without that privilege, make procedures SQL SECURITY INVOKER, or disable the events.',
      ),
    );
  const remote = passing.filter(
    ({ account, user }) => user !== own && !/@'(localhost|127\.0\.0\.1|::1)'$/.test(account),
  );
  if (remote.length > 0)
    problems.push(
      problem(
        'fence-passing',
        `${remote.map(({ account }) => account).join(', ')} may write in spite of a fence (${privilege}).`,
        'Make sure that nobody logs in as them.',
        'warning',
      ),
    );
  return problems;
}

/** Procedures and events that run as one of these users. */
async function codeOf(rows: Rows, users: readonly string[]): Promise<string[]> {
  const isOne = `SUBSTRING_INDEX(DEFINER, '@', 1) IN (${list(users)})`;
  const found = await rows(`SELECT CONCAT('the procedure ', ROUTINE_SCHEMA, '.', ROUTINE_NAME) AS what
      FROM information_schema.ROUTINES WHERE ROUTINE_TYPE <> 'FUNCTION' AND SECURITY_TYPE = 'DEFINER'
        AND ROUTINE_SCHEMA NOT IN ('mysql', 'sys') AND ${isOne}
    UNION SELECT CONCAT('the event ', EVENT_SCHEMA, '.', EVENT_NAME) FROM information_schema.EVENTS
      WHERE STATUS = 'ENABLED' AND @@GLOBAL.event_scheduler = 'ON' AND ${isOne}`);
  return found.map((row) => optionalText(row, 'what') ?? '').sort();
}

/** The settings have no smaller reach. */
function wholeServer(besides: readonly string[]): StasisError[] {
  if (besides.length === 0) return [];
  return [
    problem(
      'fence-whole-server',
      `A fence stops writes to the whole server, and with it to ${besides.join(', ')}.`,
      'Move them along (databases: ["*"]), or stop their clients.',
      'warning',
    ),
  ];
}
