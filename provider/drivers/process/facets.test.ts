import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect } from '@jest/globals';
import { labOrReason } from '../../../test/support/lab.ts';
import { inside, Photographer } from '../../../test/support/process/photographer.ts';
import { on, once, until } from '../../../test/support/process/rig.ts';
import { startService } from '../../../test/support/process/servers.ts';
import { testUnless } from '../../../test/support/skipped.ts';

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
});
