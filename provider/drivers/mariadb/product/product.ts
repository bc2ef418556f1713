import { StasisError } from '../../../core/errors.ts';
import type { Grants } from '../connect/grants.ts';
import type { Row, Rows } from '../connect/sql.ts';
import { mariadb } from './mariadb.ts';
import { mysql } from './mysql.ts';

/** `[10, 11]`. */
export type Release = readonly [number, number];

/**
 * All in which the two kinds of server differ for us. It is chosen once, when a server is first spoken to; everything
 * else asks it.
 */
export interface Product {
  readonly name: 'MariaDB' | 'MySQL';
  /** The oldest and newest releases that this driver was written for. */
  readonly oldest: Release;
  readonly newest: Release;
  /**
   * What a session begins with, so that the same state reads as the same text everywhere, values come back as they
   * were, and nothing of the server's or the user's own settings interferes. Timeouts but the lease are off: our own
   * bounds end what takes too long. Locks are waited for as little as the server can. What a load needs beyond that it
   * sets itself.
   */
  readonly pinned: string;
  /** What a session that loads sets besides. */
  readonly loading: string;
  /** Ends another session of the login. */
  readonly end: (session: number) => string;
  /** What is equal for the same running server only. */
  readonly serverId: (variables: Variables) => string;
  /** 128 bits or more of a string's bytes as hexadecimal digits. */
  readonly hash: (value: string) => string;
  /** By which `hash` does it. */
  readonly algorithm: 'md5' | 'sha256';
  readonly epochs: Epochs;
  /** Settings of the server by which the same statement gives another answer, beside those that both have. */
  readonly settings: readonly string[];
  /** Sets how long a query of the session may take, in milliseconds; 0 for as long as it likes. */
  readonly patience: (timeoutMs: number) => string;
  /** Privileges of the whole server, of which one is needed to see what routines there are; none where any sees them. */
  readonly seesRoutines: readonly string[];
  readonly comments: Comments;
  readonly catalogs: Catalogs;
  readonly fence: FenceRules;
}

/** How a server is kept from taking writes of others. */
export interface FenceRules {
  /** Settings of the server that refuse writes while they are ON, in the order in which they are turned on. */
  readonly settings: readonly string[];
  readonly on: (setting: string) => string;
  /** @param kept what the server would have begun with before it was turned on; undefined where nothing was kept */
  readonly off: (setting: string, kept: string | undefined) => readonly string[];
  /** Gives `name` and `value` of what a server begins with that is started anew; absent where it keeps nothing. */
  readonly kept?: string;
  /** Privileges of the whole server that raising one takes, of each list one. */
  readonly needed: (release: Release) => readonly (readonly string[])[];
  /** Privileges with which a session, a procedure or an event writes in spite of the settings. */
  readonly passing: (release: Release) => readonly string[];
}

export type Variables = ReadonlyMap<string, string>;

/** What shows that nothing has changed between two readings. */
export interface Epochs {
  /** Statements that are sent at once, in this order and no other. */
  readonly query: string;
  readonly read: (results: readonly (readonly Row[])[]) => {
    /** Equal and provable twice: nothing became visible from the first answer to the second question. */
    readonly position: string;
    readonly unprovable: string | undefined;
    /** Which transactions the log has, where it numbers them. */
    readonly gtids: string | undefined;
  };
  /** How many transactions there are in such a text. */
  readonly transactionsIn: (gtids: string) => number;
  /** Why readings would prove nothing on this server, or to this login; undefined where they do. */
  readonly whyNone: (variables: Variables, grants: Grants, rows: Rows) => Promise<string | undefined>;
}

/** A text that a database has and that ends with it: a restore leaves its mark there. */
export interface Comments {
  /** An expression over `s`, a row of SCHEMATA. */
  readonly read: string;
  readonly set: (database: string, comment: string) => readonly string[];
}

/** What the information schemas have not in common: columns that define an object, and a query for checks. */
export interface Catalogs {
  readonly column: string;
  readonly index: string;
  readonly view: string;
  /** The text of code, without what is no part of it. */
  readonly code: (column: string) => string;
  readonly checks: (database: string) => string;
}

/** Others that speak the protocol and call themselves by a version of MySQL's. */
const IMITATIONS = /tidb|vitess|dolt|oceanbase|polardb|singlestore|starrocks|doris/i;

/**
 * @param version `@@version`
 * @param comment `@@version_comment`
 * @throws StasisError `mariadb.other-server`
 */
export function productOf(version: string, comment: string): Product {
  if (IMITATIONS.test(`${version} ${comment}`))
    throw new StasisError(
      'mariadb.other-server',
      `The server is neither MariaDB nor MySQL, but "${version} ${comment}".`,
      { hint: 'Only these two are known to show what this driver relies on.', at: ['url'] },
    );
  return /mariadb/i.test(version) ? mariadb : mysql(releaseOf(version));
}

export function releaseOf(version: string): Release {
  const [, major = '0', minor = '0'] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  return [Number(major), Number(minor)];
}

/** Negative when `a` is the older release. */
export function compareReleases(a: Release, b: Release): number {
  return a[0] - b[0] || a[1] - b[1];
}
