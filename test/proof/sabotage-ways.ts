import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFile,
  chmod,
  link,
  mkdir,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import type { Reading } from '../../provider/core/certificate.ts';
import type { EpochReading, HoldEvidence } from '../../provider/core/driver.ts';
import type { Application } from './application.ts';
import type { Sabotage } from './sabotaged.ts';

export type MemberName = 'a' | 'b' | 'redis' | 'folder';

/** One way to break a hold or mark for real while the coordinator believes in it. */
export interface Way {
  readonly name: string;
  /** The members of the application that is captured. */
  readonly members: readonly MemberName[];
  /** Who is sabotaged, and how; made anew for each capture. */
  sabotage(application: Application): Promise<Partial<Record<MemberName, Sabotage>>>;
  /** Undoes what would spoil the next way. */
  cleanUp?(application: Application): Promise<void>;
}

const WITH_REDIS = ['a', 'b', 'redis'] as const;
const SERVERS = ['a', 'b'] as const;
const WITH_FOLDER = ['a', 'redis', 'folder'] as const;
const SECOND_NS = 1e9;

/** A counter for names and values: every sabotaging write differs from the one before. */
let serial = 0;
const next = (): number => {
  serial += 1;
  return serial;
};

function redisWay(
  name: string,
  sabotage: (application: Application) => Sabotage,
  members: readonly MemberName[] = WITH_REDIS,
): Way {
  return { name, members, sabotage: async (application) => ({ redis: sabotage(application) }) };
}

/** Another client ends the lock, and a write comes in before it is set again: at the hook given. */
function unpausedWrite(
  hook: 'beforeMark' | 'beforeEvidence',
  name: string,
  command: () => string[],
  undo: string[] = [],
): Way {
  return redisWay(`redis: ${name} ${hook === 'beforeMark' ? 'before' : 'after'} the fork`, ({ redis }) => ({
    [hook]: async () => {
      await redis.cli('CLIENT', 'UNPAUSE');
      await redis.cli(...command());
      if (undo.length > 0) await redis.cli(...undo);
    },
  }));
}

const WRITES: [string, () => string[]][] = [
  ['an unpause and a SET', () => ['SET', 'sabotage', String(next())]],
  ['an unpause and a DEL', () => ['DEL', `key:${next() % 200}`, 'key:0', 'sabotage']],
  ['an unpause and a FLUSHALL', () => ['FLUSHALL']],
  ['an unpause and an expiry', () => ['SET', `volatile:${next()}`, 'x', 'EX', '1000']],
  ['an unpause and a write in another database', () => ['-n', '5', 'SET', 'sabotage', String(next())]],
  ['an unpause and a script that writes', () => ['EVAL', "return redis.call('INCR', 'scripted')", '0']],
  ['an unpause and an appended stream entry', () => ['XADD', 'stream', '*', 'n', String(next())]],
  [
    'an unpause and a rename',
    () => ['EVAL', "redis.call('SET','old','1') return redis.call('RENAME','old','new')", '0'],
  ],
];

const redisWays: Way[] = [
  ...WRITES.flatMap(([name, command]) => [
    unpausedWrite('beforeMark', name, command),
    unpausedWrite('beforeEvidence', name, command),
  ]),
  redisWay('redis: its lock ends as soon as it is set, and clients write', ({ redis }) => ({
    afterFreeze: async () => {
      await redis.cli('CLIENT', 'UNPAUSE');
      await redis.cli('SET', 'sabotage', String(next()));
    },
    beforeEvidence: async () => {
      await redis.cli('SET', 'sabotage', String(next()));
    },
  })),
  redisWay('redis: a foreign BGSAVE within the lock, after the fork', ({ redis }) => ({
    beforeEvidence: async () => {
      await waitForNoChild(redis);
      await redis.cli('BGSAVE');
    },
  })),
  redisWay('redis: the statistics that count forks are reset', ({ redis }) => ({
    beforeEvidence: async () => {
      await redis.cli('CONFIG', 'RESETSTAT');
    },
  })),
  redisWay('redis: the locking connection is killed', ({ redis }) => ({
    beforeEvidence: async () => {
      await redis.cli('CLIENT', 'KILL', 'TYPE', 'normal');
    },
  })),
  redisWay('redis: the replica connection is killed before it has the data', ({ redis }) => ({
    beforeEvidence: async () => {
      await redis.cli('CLIENT', 'KILL', 'TYPE', 'replica');
    },
  })),
  {
    name: 'redis: a foreign BGSAVE runs before the lock, and a SYNC would join it',
    members: WITH_REDIS,
    sabotage: async ({ redis }) => ({
      redis: {
        beforeMark: async () => {
          await redis.cli('CONFIG', 'SET', 'rdb-key-save-delay', '5000');
          await redis.cli('BGSAVE');
          await redis.cli('CONFIG', 'SET', 'rdb-key-save-delay', '0');
        },
      },
    }),
    cleanUp: ({ redis }) => waitForNoChild(redis),
  },
];

async function waitForNoChild(redis: Application['redis']): Promise<void> {
  for (let tried = 0; tried < 200; tried += 1) {
    const info = await redis.cli('INFO', 'persistence');
    if (/rdb_bgsave_in_progress:0/.test(info)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('a BGSAVE did not end');
}

const shifted = (reading: Reading, byNs: number): Reading => ({
  ...reading,
  sentNs: reading.sentNs + byNs,
  acknowledgedNs: reading.acknowledgedNs + byNs,
});
const evidenceWay = (name: string, evidence: (evidence: HoldEvidence) => HoldEvidence): Way =>
  redisWay(`redis: ${name}`, () => ({ evidence }));

const evidenceWays: Way[] = [
  evidenceWay('both of its clock readings are shifted by a second', (evidence) => ({
    ...evidence,
    readings: evidence.readings.map((reading) => shifted(reading, SECOND_NS)),
  })),
  evidenceWay('its last reading says it was answered before it was asked for', (evidence) => ({
    ...evidence,
    readings: evidence.readings.map((reading, index) =>
      index === 0 ? reading : { ...reading, acknowledgedNs: reading.sentNs - 1 },
    ),
  })),
  evidenceWay('its first reading was acknowledged late, after the last was sent', (evidence) => ({
    ...evidence,
    readings: evidence.readings.map((reading, index) =>
      index === 0 ? { ...reading, acknowledgedNs: reading.acknowledgedNs + SECOND_NS } : reading,
    ),
  })),
  evidenceWay('its last reading is missing', (evidence) => ({
    ...evidence,
    readings: evidence.readings.slice(0, 1),
  })),
  evidenceWay('what was captured is of another state', (evidence) => ({
    ...evidence,
    captured: `${evidence.captured}x`,
  })),
  evidenceWay('a condition is not as it should be', (evidence) => ({
    ...evidence,
    conditions: [...evidence.conditions, { claim: 'forks within the lock', expected: '1', observed: '2' }],
  })),
  evidenceWay('its readings are out of order', (evidence) => ({
    ...evidence,
    readings: evidence.readings.toReversed(),
  })),
];

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

const postgresWays: Way[] = [
  bothServers('a commit slips in', 'afterMark', () => `INSERT INTO entries (note) VALUES ('s${next()}')`),
  bothServers('a commit slips in', 'beforeMark', () => `INSERT INTO entries (note) VALUES ('s${next()}')`),
  bothServers('an update slips in', 'afterMark', () => `UPDATE entries SET note = 'u${next()}' WHERE id = 1`),
  bothServers('a delete slips in', 'afterMark', () => `DELETE FROM entries WHERE id = ${next()}`),
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

const clockWays: Way[] = [
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

/** Something happens in the folder between the two scans of each cut. */
function folderWay(
  name: string,
  act: (folder: string) => Promise<void>,
  cleanUp?: (folder: string) => Promise<void>,
): Way {
  return {
    name: `files: ${name} between the scans`,
    members: WITH_FOLDER,
    sabotage: async ({ folder }) => ({ folder: { afterEpoch: () => act(folder) } }),
    cleanUp: cleanUp && (({ folder }) => cleanUp(folder)),
  };
}

const folderWays: Way[] = [
  folderWay('a file is written', (folder) => writeFile(join(folder, 'f1'), `changed ${next()}`)),
  folderWay('a file grows', (folder) => appendFile(join(folder, 'f2'), '.')),
  folderWay('a file appears', (folder) => writeFile(join(folder, `new${next()}`), 'x')),
  folderWay('a file is renamed', async (folder) => {
    const name = join(folder, `from${next()}`);
    await writeFile(name, 'x');
    await rename(name, join(folder, 'renamed'));
  }),
  folderWay('a file is deleted', async (folder) => {
    await rm(join(folder, `f${3 + (next() % 30)}`), { force: true });
    await writeFile(join(folder, `f${3 + (next() % 30)}`), 'back');
  }),
  folderWay('a mode changes', (folder) => chmod(join(folder, 'f39'), next() % 2 === 0 ? 0o600 : 0o640)),
  folderWay('a file is rewritten in place with its times set back', async (folder) => {
    const path = join(folder, 'f38');
    const before = await stat(path);
    await writeFile(path, `file ${String(next() % 100).padStart(2, '0')}`);
    await utimes(path, before.atime, before.mtime);
  }),
  folderWay('a symbolic link is turned', async (folder) => {
    await rm(join(folder, 'link'), { force: true });
    await symlink(`f${next()}`, join(folder, 'link'));
  }),
  folderWay('a hard link is made', (folder) => link(join(folder, 'f37'), join(folder, `hard${next()}`))),
  folderWay('a folder appears', (folder) => mkdir(join(folder, `dir${next()}`)).then(() => {})),
  mappedWrite(),
  {
    name: 'files: a file is changed after the cut and before it is copied, every time',
    members: WITH_FOLDER,
    sabotage: async ({ folder }) => ({
      folder: {
        beforeCopy: () => writeFile(join(folder, `late${next()}`), 'x'),
        afterEpoch: (_session, count) =>
          count % 2 === 1 ? writeFile(join(folder, 'f36'), `v${next()}`) : Promise.resolve(),
      },
    }),
  },
];

/** A process has a file mapped writable and writes through the map: its times need not move. */
function mappedWrite(): Way {
  let writer: ChildProcess | undefined;
  return {
    name: 'files: a file is written through a shared map',
    members: WITH_FOLDER,
    sabotage: async ({ folder }) => {
      const script = [
        'import mmap, sys, time',
        `f = open(${JSON.stringify(join(folder, 'f35'))}, 'r+b')`,
        'm = mmap.mmap(f.fileno(), 0)',
        "print('ready', flush=True)",
        'n = 0',
        'end = time.time() + 120',
        'while time.time() < end:',
        '    n += 1',
        '    m[0:4] = n.to_bytes(4, "big")',
        '    time.sleep(0.001)',
      ].join('\n');
      writer = spawn('python3', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
      await once(writer.stdout!, 'data');
      return {};
    },
    cleanUp: async () => {
      if (!writer || writer.exitCode !== null) return;
      writer.kill('SIGKILL');
      await once(writer, 'exit');
    },
  };
}

export const WAYS: readonly Way[] = [
  ...redisWays,
  ...evidenceWays,
  ...postgresWays,
  ...clockWays,
  ...folderWays,
];
