import { type Grants, hasGlobally } from '../connect/grants.ts';
import { literal, optionalText, qualified, type Rows } from '../connect/sql.ts';
import { whyLogIsNoProof } from './log-filters.ts';
import { MARK_ROUTINE } from './mark-routine.ts';
import type { Epochs, FenceRules, Product, Release, Variables } from './product.ts';

/** Since 8.2 the statement has a new name, and since 8.4 no other. */
function logStatus([major, minor]: Release): string {
  return major > 8 || (major === 8 && minor >= 2) ? 'SHOW BINARY LOG STATUS' : 'SHOW MASTER STATUS';
}

/**
 * Up to where the log is written, then the transactions that own their GTID, then the XA transactions that are
 * prepared; in this order, and not another.
 *
 * A transaction gets and owns its GTID first, then is written to the log, then becomes visible in its engine, and only
 * then its GTID is added to gtid_executed and is owned no more (sql/binlog.cc: assign_automatic_gtids_to_flush_group
 * and flush_thread_caches in the flush stage; then, whether or not commits are ordered, the engines' commit, and after
 * it Gtid_state::update_commit_group or update_on_commit, which change both sets under one lock). So neither equal ends
 * of the log nor an equal gtid_executed proves that nothing changed: what was logged before may become visible in
 * between. But one that becomes visible after nothing was seen to be owned comes to own its GTID after that look too,
 * and so is written to the log after it, and before it is visible: a later end of the log shows it. The end is read
 * under the mutex under which it is written (LOCK_log).
 *
 * While XA transactions are prepared a reading is no proof, as on MariaDB: what is decided of them by another session
 * goes another way.
 */
function epochsOf(release: Release): Epochs {
  const status = logStatus(release);
  return {
    query: `${status}; SELECT @@GLOBAL.gtid_owned AS owned, @@GLOBAL.gtid_mode AS mode; XA RECOVER`,
    read: ([logs = [], owners = [], prepared = []]) => {
      const [log] = logs;
      const [owned] = owners;
      const unprovable =
        optionalText(owned, 'mode') !== 'ON'
          ? 'gtid_mode is no longer ON'
          : optionalText(owned, 'owned') !== ''
            ? 'transactions were written to the log that may not have been visible yet'
            : prepared.length > 0
              ? 'XA transactions are prepared, whose commit is logged before it is visible'
              : undefined;
      return {
        position: `${optionalText(log, 'File')}:${optionalText(log, 'Position')}`,
        unprovable,
        gtids: optionalText(log, 'Executed_Gtid_Set'),
      };
    },
    // `server:1-5:7`, or with a tag; the numbers come after colons.
    transactionsIn: (gtids) =>
      [...gtids.matchAll(/:(\d+)(?:-(\d+))?(?=[:,\s]|$)/g)].reduce(
        (sum, [, first, last]) => sum + Number(last ?? first) - Number(first) + 1,
        0,
      ),
    whyNone: (variables, grants, rows) => whyNone(status, variables, grants, rows),
  };
}

async function whyNone(
  status: string,
  variables: Variables,
  grants: Grants,
  rows: Rows,
): Promise<string | undefined> {
  if (variables.get('log_bin') !== 'ON') return 'the binary log is off';
  if (variables.get('gtid_mode') !== 'ON')
    return `gtid_mode is ${variables.get('gtid_mode')}: only by their GTIDs does the server tell of transactions that are about to become visible (set enforce_gtid_consistency and gtid_mode to ON)`;
  if ((variables.get('log_replica_updates') ?? variables.get('log_slave_updates')) !== 'ON')
    return 'the server does not log what it would replay as a replica (log_replica_updates)';
  if ((variables.get('group_replication_group_name') ?? '') !== '')
    return 'the server is part of a group (Group Replication)';
  if (!hasGlobally(grants, 'XA_RECOVER_ADMIN'))
    return 'the login may not see whether XA transactions are prepared (GRANT XA_RECOVER_ADMIN ON *.* to it)';
  return whyLogIsNoProof(rows, status, 'REPLICATION CLIENT');
}

/** A lock is waited for one second, as there is no less: 0 means the same. Statistics are read as they are, not as they were within the last day. */
const PINNED = `SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone = '+00:00',
  transaction_isolation = 'REPEATABLE-READ', transaction_read_only = 0, autocommit = 1, completion_type = 0,
  lock_wait_timeout = 1, innodb_lock_wait_timeout = 5, sql_quote_show_create = 1, sql_select_limit = DEFAULT,
  max_execution_time = 0, net_write_timeout = 3600, net_read_timeout = 3600, information_schema_stats_expiry = 0`;

/** Nobody passes super_read_only but a replica's applier, and both settings are kept in mysqld-auto.cnf. */
const fence: FenceRules = {
  settings: ['read_only', 'super_read_only'],
  on: (setting) => `SET PERSIST ${setting} = ON`,
  off: (setting, kept) => [
    kept === undefined ? `RESET PERSIST IF EXISTS ${setting}` : `SET PERSIST ${setting} = ${kept}`,
    `SET GLOBAL ${setting} = OFF`,
  ],
  kept: 'SELECT VARIABLE_NAME AS name, VARIABLE_VALUE AS value FROM performance_schema.persisted_variables',
  needed: () => [
    ['SYSTEM_VARIABLES_ADMIN', 'SUPER'],
    ['CONNECTION_ADMIN', 'SUPER'],
    ['PROCESS'],
    ['XA_RECOVER_ADMIN'],
  ],
  passing: () => [],
};

export function mysql(release: Release): Product {
  return {
    name: 'MySQL',
    oldest: [8, 0],
    newest: [9, 99],
    pinned: PINNED,
    loading: 'SET SESSION foreign_key_checks = 0, unique_checks = 0, lock_wait_timeout = 30',
    end: (session) => `KILL CONNECTION ${session}`,
    serverId: (variables) => variables.get('server_uuid') ?? '',
    // 9.6 has no MD5 any more, but for those who install it.
    hash: (value) => `SHA2(${value}, 256)`,
    algorithm: 'sha256',
    epochs: epochsOf(release),
    settings: ['transaction_isolation'],
    patience: (timeoutMs) => `max_execution_time = ${Math.ceil(timeoutMs)}`,
    seesRoutines: ['SHOW_ROUTINE', 'SELECT'],
    // A database has no comment here. A procedure has one, and ends with its database.
    comments: {
      read: `(SELECT r.ROUTINE_COMMENT FROM information_schema.ROUTINES r WHERE r.ROUTINE_SCHEMA = s.SCHEMA_NAME
        AND r.ROUTINE_TYPE = 'PROCEDURE' AND r.ROUTINE_NAME = ${literal(MARK_ROUTINE)})`,
      set: (database, comment) => [
        `DROP PROCEDURE IF EXISTS ${qualified(database, MARK_ROUTINE)}`,
        ...(comment === ''
          ? []
          : [
              `CREATE PROCEDURE ${qualified(database, MARK_ROUTINE)} () COMMENT ${literal(comment)} BEGIN END`,
            ]),
      ],
    },
    catalogs: {
      // What was made in one packet with other statements keeps the semicolon between them.
      code: (column) => `TRIM(TRAILING ';' FROM ${column}) AS ${column}`,
      column: 'GENERATION_EXPRESSION, SRS_ID',
      index: 'IS_VISIBLE, EXPRESSION',
      // ALGORITHM is in no catalog.
      view: 'IS_UPDATABLE',
      checks: (
        database,
      ) => `SELECT CONCAT(t.TABLE_NAME, '.', c.CONSTRAINT_NAME) AS name, t.ENFORCED, c.CHECK_CLAUSE
        FROM information_schema.CHECK_CONSTRAINTS c JOIN information_schema.TABLE_CONSTRAINTS t
          ON t.CONSTRAINT_SCHEMA = c.CONSTRAINT_SCHEMA AND t.CONSTRAINT_NAME = c.CONSTRAINT_NAME
          AND t.CONSTRAINT_TYPE = 'CHECK'
        WHERE c.CONSTRAINT_SCHEMA = ${literal(database)} ORDER BY t.TABLE_NAME, c.CONSTRAINT_NAME`,
    },
    fence,
  };
}
