import type { EpochReading } from '../../../provider/core/driver.ts';
import { next, SECOND_NS, shifted, type Way } from './way.ts';

const WITH_REDIS = ['a', 'b', 'redis'] as const;
const SERVERS = ['a', 'b'] as const;

/** Both servers have to be disturbed: one restless server alone, with all else held, is still one instant. */
function bothServers(name: string, hook: 'beforeMark' | 'afterMark', sql: () => string): Way {
  return {
    name: `postgres: ${name} ${hook === 'beforeMark' ? 'before' : 'after'} the marks`,
    members: WITH_REDIS,
    sabotage: async (application) =>
      Object.fromEntries(SERVERS.map((which) => [which, { [hook]: () => application.query(which, sql()) }])),
  };
}

const terminate =
  "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name LIKE 'stasis%'";

export const postgresWays: Way[] = [
  bothServers('a commit slips in', 'afterMark', () => `INSERT INTO entries (note) VALUES ('s${next()}')`),
  bothServers('a commit slips in', 'beforeMark', () => `INSERT INTO entries (note) VALUES ('s${next()}')`),
  bothServers('an update slips in', 'afterMark', () => `UPDATE entries SET note = 'u${next()}' WHERE id = 1`),
  bothServers(
    'a delete slips in',
    'afterMark',
    () => 'DELETE FROM entries WHERE id = (SELECT max(id) FROM entries)',
  ),
  bothServers('a table is created', 'afterMark', () => `CREATE TABLE made_${next()} (x int)`),
  bothServers('a large object is written', 'afterMark', () => `SELECT lo_from_bytea(0, 'x${next()}')`),
  bothServers(
    'an aborted transaction that had an id',
    'afterMark',
    () =>
      `DO $$ BEGIN INSERT INTO entries (note) VALUES ('s${next()}'); RAISE EXCEPTION 'x'; EXCEPTION WHEN others THEN NULL; END $$`,
  ),
  {
    name: 'postgres: its sessions are terminated after the mark, and a TRUNCATE goes through',
    members: WITH_REDIS,
    sabotage: async (application) => ({
      a: {
        beforeCopy: async () => {
          await application.query('a', terminate);
          await application.query('a', 'TRUNCATE entries');
        },
      },
    }),
    cleanUp: (application) =>
      application.query(
        'a',
        "INSERT INTO entries (note) SELECT 'again ' || n FROM generate_series(1, 200) n",
      ),
  },
  {
    name: 'postgres: its sessions are terminated, and a table is rewritten and dropped',
    members: WITH_REDIS,
    sabotage: async (application) => ({
      a: {
        afterMark: async () => {
          await application.query('a', terminate);
          await application.query('a', 'CREATE TABLE IF NOT EXISTS doomed (x int)');
          await application.query('a', 'VACUUM FULL entries');
          await application.query('a', 'DROP TABLE doomed');
        },
      },
    }),
  },
];

const epochWay = (name: string, epoch: (reading: EpochReading, count: number) => EpochReading): Way => ({
  name: `postgres: ${name}`,
  members: ['a', 'b'],
  sabotage: async () => ({
    a: { epoch },
    b: { epoch: (reading, count) => shifted(epoch(reading, count), 2 * SECOND_NS) },
  }),
});

export const clockWays: Way[] = [
  epochWay('the clock readings of two servers are shifted apart', (reading) =>
    shifted(reading, -0.5 * SECOND_NS),
  ),
  epochWay('an epoch is empty', (reading) => ({ ...reading, value: '' })),
  epochWay('every epoch is another one', (reading, count) => ({
    ...reading,
    value: `${reading.value}:${count}`,
  })),
  epochWay('an epoch is said to prove nothing', (reading) => ({ ...reading, unprovable: 'sabotaged' })),
  {
    name: 'postgres: its only mark is acknowledged late, outside of the hold of Redis',
    members: ['a', 'redis', 'b'],
    sabotage: async (application) => ({
      a: {
        afterMark: () => application.query('a', `INSERT INTO entries (note) VALUES ('s${next()}')`),
        marks: (marks) => marks.map((mark) => ({ ...mark, acknowledgedNs: mark.acknowledgedNs + SECOND_NS })),
      },
    }),
  },
  {
    name: 'postgres: its mark is shifted to before the hold of Redis',
    members: ['a', 'redis', 'b'],
    sabotage: async (application) => ({
      a: {
        afterMark: () => application.query('a', `INSERT INTO entries (note) VALUES ('s${next()}')`),
        marks: (marks) => marks.map((mark) => ({ ...mark, sentNs: Math.max(0, mark.sentNs - SECOND_NS) })),
      },
    }),
  },
];
