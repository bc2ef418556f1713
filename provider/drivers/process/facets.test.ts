import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { collect } from '../../../test/support/driver-rig.ts';
import { labOrReason } from '../../../test/support/lab.ts';
import { inside, Photographer } from '../../../test/support/process/photographer.ts';
import { on, until } from '../../../test/support/process/rig.ts';
import { startService } from '../../../test/support/process/servers.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { once } from '../../core/content.ts';
import { processDriver } from './driver.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 240_000;
const PROGRAM = join(import.meta.dirname, '../../../test/support/process/facets.py');
/** Asks the program whether what it has is as it should be. */
const ASK = `python3 -c 'import socket; print(socket.create_connection(("127.0.0.1", 7200), timeout=20).recv(1000).decode())'`;
const SPEC = { pidFile: '/run/facet.pid', files: ['/srv/facet'] };

interface Facet {
  readonly facet: string;
  readonly user?: string;
  /** Run on the host once it is there. */
  readonly afterwards?: string;
  /** Codes of what the plan says is outside. */
  readonly outside?: readonly string[];
}

/** Three that connect and are never accepted; they live until the lab ends. */
const KNOCK = `setsid python3 -c 'import socket, time
knocking = [socket.create_connection(("127.0.0.1", 7201)) for _ in range(3)]
time.sleep(600)' < /dev/null > /dev/null 2>&1 & sleep 1`;

const FACETS: readonly Facet[] = [
  { facet: 'other_user', user: 'deploy' },
  { facet: 'deleted_file' },
  { facet: 'socket_pair' },
  { facet: 'memfd' },
  { facet: 'epoll' },
  { facet: 'timers' },
  { facet: 'inotify' },
  { facet: 'terminal' },
  { facet: 'backlog', afterwards: KNOCK, outside: ['process.backlog'] },
  { facet: 'threads' },
  { facet: 'shared_memory' },
  { facet: 'queues' },
];

describe('a process that has', () => {
  let photographer: Photographer;

  beforeAll(async () => {
    if (here.reason !== undefined) return;
    photographer = await Photographer.start(here);
    const { signal } = new AbortController();
    const source = await readFile(PROGRAM);
    for (const host of [photographer.cloud, photographer.sovereign])
      await host.write('/opt/facets.py', once(source), { signal, mode: 0o644 });
  }, PATIENCE_MS);
  afterAll(() => photographer?.[Symbol.asyncDispose](), PATIENCE_MS);
  afterEach(async () => {
    if (photographer)
      await on(
        photographer.cloud,
        'kill -s KILL -- "-$(cat /run/facet.pid)"; rm -f /run/facet* /dev/shm/facet; true',
      );
  });

  for (const { facet, user = 'root', afterwards, outside = [] } of FACETS)
    labTest(
      `${facet.replace('_', ' ')} is captured and brought back on another host, where that works; and so does the original`,
      async () => {
        const { cloud, sovereign } = photographer;
        await startService(cloud, 'facet', user, 'python3', '/opt/facets.py', facet, '/srv/facet');
        await until(async () => (await on(cloud, ASK)) === 'good');
        if (afterwards) await on(cloud, afterwards);
        const plan = await photographer.plan(SPEC);
        expect(plan.problems).toEqual([]);
        expect(plan.outside.map(({ code }) => code)).toEqual(outside);
        const sealed = await photographer.photograph(facet.replace('_', '-'), SPEC);
        const twin = await photographer.bringBack(sealed, sovereign);
        expect(twin.result.verdict).toBe('identical');
        expect(await twin.run(ASK)).toBe('good');
        expect(await inside(cloud, SPEC.pidFile, ASK)).toBe('good');
        await twin.end();
      },
      PATIENCE_MS,
    );

  labTest(
    'something under way in a pipe, a FIFO and a Unix socket is told from nothing, and from something else',
    async () => {
      const { cloud } = photographer;
      await startService(cloud, 'facet', 'root', 'python3', '-c', FILLING, '/srv/facet');
      await until(async () => (await on(cloud, 'cat /srv/facet/there')) === '0');
      const seen = async (): Promise<ReadonlyMap<string, string>> => {
        await using observed = await processDriver.observe(
          processDriver.spec.parse(SPEC),
          cloud,
          testContext(),
        );
        const entries = await collect(observed.fingerprint());
        return new Map(entries.map(({ object, digest }) => [object, digest]));
      };
      const open = [10, 11, 12, 13, 14].map((descriptor) => `/open/${descriptor}`);
      const differ = (a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): string[] =>
        open.filter((end) =>
          [...a].some(([object, digest]) => object.endsWith(end) && b.get(object) !== digest),
        );
      const empty = await seen();
      expect(open.filter((end) => [...empty.keys()].some((object) => object.endsWith(end)))).toEqual(open);
      let before = empty;
      for (const turn of ['1', '2']) {
        await on(cloud, 'kill -s USR1 "$(cat /run/facet.pid)"');
        await until(async () => (await on(cloud, 'cat /srv/facet/there')) === turn);
        const now = await seen();
        // Of the two sockets the one that has something to read.
        expect(differ(before, now)).toEqual(['/open/10', '/open/11', '/open/12', '/open/14']);
        before = now;
      }
    },
    PATIENCE_MS,
  );
});

/** FOLDER: a pipe at 10 and 11, a FIFO at 12, two sockets at 13 and 14; into each goes a byte more at each signal. */
const FILLING = `
import os, signal, socket, sys, time
os.mkfifo('/run/facet.fifo')
one, other = socket.socketpair()
for at, descriptor in zip(range(10, 15), [*os.pipe(), os.open('/run/facet.fifo', os.O_RDWR), one.fileno(), other.fileno()]):
    os.dup2(descriptor, at)
    os.close(descriptor)
turn = 0
def tell():
    with open(sys.argv[1] + '/there', 'w') as file:
        file.write(str(turn))
def fill(*_):
    global turn
    turn += 1
    for end in (11, 12, 13):
        os.write(end, str(turn).encode())
    tell()
signal.signal(signal.SIGUSR1, fill)
tell()
while True:
    time.sleep(60)
`;
