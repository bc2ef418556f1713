import type { Grants } from '../connect/grants.ts';
import { identifier, literal, optionalText, type Rows } from '../connect/sql.ts';
import { whyLogIsNoProof } from './log-filters.ts';
import type { Epochs, FenceRules, Product, Release, Variables } from './product.ts';

/**
 * Up to where the log's transactions are visible, up to where the log is written, and the XA transactions that are
 * prepared; in this order, and not another.
 *
 * A transaction is written to the log first and becomes visible later, so that equal ends of the log do not prove that
 * nothing changed: what was written before may become visible in between. But where all that is written is visible,
 * and no more was written since, nothing can have. The visible position (`Binlog_snapshot_…`) moves in the same
 * instant in which transactions become visible, under one mutex (LOCK_commit_ordered, in
 * MYSQL_BIN_LOG::trx_group_commit_leader of sql/log.cc).
 *
 * The server answers it out of variables that all sessions share: it may be the one that another session was told, or
 * its snapshot's. Whosever it is, what it tells is visible by then. So it is only compared with the end of the log,
 * which is read safely and after it, and never taken for what a snapshot of ours shows.
 *
 * Of an XA transaction that is committed from another session, the log tells some time before it is visible; all that
 * while it is among the prepared ones.
 */
const epochs: Epochs = {
  query:
    "SHOW STATUS LIKE 'Binlog\\_snapshot\\_%'; SHOW MASTER STATUS; XA RECOVER; SELECT @@GLOBAL.gtid_binlog_pos AS gtids",
  read: ([status = [], logs = [], prepared = [], numbered = []]) => {
    const [log] = logs;
    const written = `${optionalText(log, 'File')}:${optionalText(log, 'Position')}`;
    const visible = status.map((row) => optionalText(row, 'Value')).join(':');
    const unprovable =
      written !== visible
        ? 'transactions were written to the log that were not visible yet'
        : prepared.length > 0
          ? 'XA transactions are prepared, whose commit is logged before it is visible'
          : undefined;
    return { position: written, unprovable, gtids: optionalText(numbered[0], 'gtids') };
  },
  // `domain-server-number`, of each domain the last one.
  transactionsIn: (gtids) =>
    [...gtids.matchAll(/\d+-\d+-(\d+)/g)].reduce((sum, [, number]) => sum + Number(number), 0),
  whyNone,
};

/**
 * Settings under which something becomes visible at another time than the log's position tells, or is not logged at
 * all.
 */
async function whyNone(variables: Variables, _: Grants, rows: Rows): Promise<string | undefined> {
  if (variables.get('log_bin') !== 'ON') return 'the binary log is off';
  if (variables.get('binlog_optimize_thread_scheduling') !== 'ON')
    return 'binlog_optimize_thread_scheduling is off: commits are not visible together with their position';
  if (variables.get('wsrep_on') === 'ON') return 'the server is part of a Galera cluster';
  const [replicas] = await rows("SHOW GLOBAL STATUS LIKE 'Slaves\\_running'");
  if (variables.get('log_slave_updates') !== 'ON' && optionalText(replicas, 'Value') !== '0')
    return 'the server is a replica that does not log what it replays (log_slave_updates)';
  return whyLogIsNoProof(rows, 'SHOW MASTER STATUS', 'BINLOG MONITOR');
}

/** Since 10.11 SUPER is no READ_ONLY ADMIN any more (MDEV-29596), and since 11.0 nothing else either (MDEV-29668). */
const orSuper =
  (privilege: string, until: Release) =>
  ([major, minor]: Release): string[] =>
    major < until[0] || (major === until[0] && minor < until[1]) ? [privilege, 'SUPER'] : [privilege];
const readOnlyAdmin = orSuper('READ_ONLY ADMIN', [10, 11]);
const connectionAdmin = orSuper('CONNECTION ADMIN', [11, 0]);

/** Nothing of it outlives the server: no statement writes its configuration. */
const fence: FenceRules = {
  settings: ['read_only'],
  on: (setting) => `SET GLOBAL ${setting} = ON`,
  off: (setting) => [`SET GLOBAL ${setting} = OFF`],
  needed: (release) => [readOnlyAdmin(release), connectionAdmin(release), ['PROCESS']],
  passing: readOnlyAdmin,
};

export const mariadb: Product = {
  name: 'MariaDB',
  oldest: [10, 6],
  newest: [12, 99],
  pinned: `SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone = '+00:00',
    tx_isolation = 'REPEATABLE-READ', tx_read_only = 0, autocommit = 1, completion_type = 0,
    lock_wait_timeout = 0, innodb_lock_wait_timeout = 5, sql_quote_show_create = 1, sql_select_limit = DEFAULT,
    max_statement_time = 0, net_write_timeout = 3600, net_read_timeout = 3600,
    idle_transaction_timeout = 0, idle_readonly_transaction_timeout = 0`,
  loading:
    'SET SESSION foreign_key_checks = 0, unique_checks = 0, check_constraint_checks = 0, lock_wait_timeout = 30',
  end: (session) => `KILL SOFT CONNECTION ${session}`,
  serverId: (variables) =>
    variables.get('server_uid') ??
    `${variables.get('hostname')}:${variables.get('port')}${variables.get('datadir')}`,
  hash: (value) => `MD5(${value})`,
  algorithm: 'md5',
  epochs,
  settings: ['tx_isolation', 'check_constraint_checks'],
  patience: (timeoutMs) => `max_statement_time = ${timeoutMs / 1_000}`,
  seesRoutines: [],
  comments: {
    read: 's.SCHEMA_COMMENT',
    set: (database, comment) => [`ALTER DATABASE ${identifier(database)} COMMENT ${literal(comment)}`],
  },
  catalogs: {
    column: 'IS_GENERATED, GENERATION_EXPRESSION',
    index: 'IGNORED',
    view: 'ALGORITHM',
    code: (column) => column,
    checks: (database) => `SELECT CONCAT(TABLE_NAME, '.', CONSTRAINT_NAME) AS name, LEVEL, CHECK_CLAUSE
      FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = ${literal(database)}
      ORDER BY TABLE_NAME, CONSTRAINT_NAME, LEVEL`,
  },
  fence,
};
