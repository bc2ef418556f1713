import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { labOrReason } from '../../../test/support/lab.ts';
import { Photographer } from '../../../test/support/process/photographer.ts';
import { on, until } from '../../../test/support/process/rig.ts';
import { startService } from '../../../test/support/process/servers.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { capture } from '../../coordinator/capture.ts';
import type { Driver, HoldEvidence, Session } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import { judge } from '../../core/judgement.ts';
import { processDriver } from './driver.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 240_000;

/**
 * Counts in memory and in a file of its folder, has a Unix socket in /run, and is connected to a stranger. What became
 * of that connection it tells: nothing, or the name of the error.
 */
const COUNTER = `
import os, socket, threading, time
stranger = socket.create_connection(('127.0.0.1', 7400))
lost, count = ['nothing'], [0]
def listen():
    try:
        lost[0] = 'end' if stranger.recv(1) == b'' else 'data'
    except OSError as error:
        lost[0] = type(error).__name__
threading.Thread(target=listen, daemon=True).start()
def work():
    while True:
        count[0] += 1
        with open('/srv/counter/count', 'w') as file:
            file.write(str(count[0]))
        time.sleep(0.01)
threading.Thread(target=work, daemon=True).start()
door = socket.socket(socket.AF_UNIX)
door.bind('/run/counter.sock')
door.listen()
while True:
    guest = door.accept()[0]
    guest.sendall(f'{os.getpid()} {lost[0]} {count[0]}'.encode())
    guest.close()
`;
const STRANGER = `import socket, time
door = socket.create_server(('127.0.0.1', 7400))
guests = []
while True: guests.append(door.accept())`;
const ASK = `python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.connect("/run/counter.sock"); print(s.recv(99).decode())'`;
const SPEC = { pidFile: '/run/counter.pid', files: ['/srv/counter'] };

interface Told {
  readonly pid: string;
  readonly lost: string;
  readonly count: number;
}

function told(answer: string): Told {
  const [pid = '', lost = '', count] = answer.split(' ');
  return { pid, lost, count: Number(count) };
}

describe('a process that counts', () => {
  let photographer: Photographer;
  const original = async (): Promise<Told> => told(await on(photographer.cloud, ASK));

  beforeAll(async () => {
    if (here.reason !== undefined) return;
    photographer = await Photographer.start(here);
    const { cloud } = photographer;
    await startService(cloud, 'stranger', 'root', 'python3', '-c', STRANGER);
    await until(async () => (await on(cloud, 'ss -Htln sport = 7400')) !== '');
    await on(cloud, 'btrfs subvolume create /srv/counter > /dev/null');
    await startService(cloud, 'counter', 'root', 'python3', '-c', COUNTER);
    await on(cloud, 'mkdir /sys/fs/cgroup/web && cat /run/counter.pid > /sys/fs/cgroup/web/cgroup.procs');
    await until(async () => (await original()).count > 10);
  }, PATIENCE_MS);
  afterAll(() => photographer?.[Symbol.asyncDispose](), PATIENCE_MS);

  labTest(
    'has two twins beside itself on its own host, each with its name, files and sockets; strangers are reset and told of',
    async () => {
      const { cloud } = photographer;
      const { pid } = await original();
      const sealed = await photographer.photograph('counter', SPEC);
      expect(sealed.manifest.members.counter!.coverage.outside).toContainEqual(
        expect.objectContaining({ code: 'process.peer', message: expect.stringContaining('127.0.0.1:7400') }),
      );
      const twins = [
        await photographer.bringBack(sealed, cloud),
        await photographer.bringBack(sealed, cloud),
      ];
      for (const twin of twins) {
        await until(async () => told(await twin.run(ASK)).lost !== 'nothing');
        const first = told(await twin.run(ASK));
        expect(first).toMatchObject({ pid, lost: expect.stringMatching(/^Connection(Aborted|Reset)Error$/) });
        await until(async () => told(await twin.run(ASK)).count > first.count);
        expect(Number(await twin.run('cat /srv/counter/count'))).toBeGreaterThan(0);
      }
      const before = await original();
      expect(before).toMatchObject({ pid, lost: 'nothing' });
      await until(async () => (await original()).count > before.count);
      for (const twin of twins) await twin.end();
      const left = 'ls -d /run/netns/stasis-* /sys/fs/cgroup/stasis-* /var/lib/stasis/* 2> /dev/null | wc -l';
      await until(async () => (await on(cloud, left)) === '0');
    },
    PATIENCE_MS,
  );

  labTest(
    'keeps its folder by a snapshot where it is a subvolume, and leaves none',
    async () => {
      const { cloud } = photographer;
      const list = 'btrfs subvolume list /srv | grep -c counter';
      const session = await processDriver.prepare(processDriver.spec.parse(SPEC), cloud, testContext());
      const { signal } = new AbortController();
      try {
        await session.hold!.settle!(signal);
        await session.hold!.freeze(10_000, signal);
        await session.mark!.take(signal);
        expect(await on(cloud, list)).toBe('2');
      } finally {
        await session.hold!.thaw();
        await session[Symbol.asyncDispose]();
      }
      expect(await on(cloud, list)).toBe('1');
    },
    PATIENCE_MS,
  );

  labTest(
    'is not taken the place of unless told to, and then ends',
    async () => {
      const { cloud, sovereign } = photographer;
      const sealed = await photographer.photograph('counter', SPEC);
      await startService(sovereign, 'victim', 'root', 'sleep', '600');
      const victim = await on(sovereign, 'cat /run/victim.pid');
      const into = (overwrite: boolean) =>
        photographer.bringBackTo(sealed, sovereign, '/run/victim.pid', { overwrite });
      await expect(into(false)).rejects.toMatchObject({ code: 'restore.target-not-empty' });
      expect(await on(sovereign, 'cat /run/victim.pid; kill -0 "$(cat /run/victim.pid)"')).toBe(victim);
      const twin = await into(true);
      expect(await on(sovereign, '[ ! -d "/proc/$1" ] && echo gone', victim)).toBe('gone');
      const { count } = told(await twin.run(ASK));
      await until(async () => told(await twin.run(ASK)).count > count);
      await twin.end();
      expect((await original()).lost).toBe('nothing');
      expect(await on(cloud, 'cat /sys/fs/cgroup/cgroup.events | grep frozen || true')).not.toContain('1');
    },
    PATIENCE_MS,
  );

  labTest(
    'is found by its control group as well',
    async () => {
      const { cloud } = photographer;
      const sealed = await photographer.photograph('by-group', { cgroup: '/web', files: ['/srv/counter'] });
      expect(sealed.manifest).toMatchObject({ sharp: true });
      expect(await on(cloud, 'cat /sys/fs/cgroup/web/cgroup.procs')).toBe(
        await on(cloud, 'cat /run/counter.pid'),
      );
    },
    PATIENCE_MS,
  );

  /** Done for real within the hold, or to what is told of it. */
  const TAMPERED: Readonly<Record<string, Tampering>> = {
    'let run for a moment by somebody else before the dump': {
      held: (group) => `${thaw(group)}; sleep 0.1; ${freeze(group)}`,
    },
    'let run for a moment by somebody else after the dump': {
      marked: (group) => `${thaw(group)}; sleep 0.1`,
    },
    'left alone by its watchdog': {
      held: () =>
        `for p in $(pgrep -f stasis-lease); do tr '\\0' '\\n' < /proc/$p/cmdline | grep -qxF stasis-lease && kill -9 $p; done; sleep 0.3`,
    },
    'read by another clock at its end': {
      told: ({ readings, ...rest }) => ({
        ...rest,
        readings: readings.with(-1, { ...readings.at(-1)!, sentNs: 0, acknowledgedNs: 1 }),
      }),
    },
    'dumped in another state than was held': { told: (evidence) => ({ ...evidence, captured: 'another' }) },
  };

  for (const [name, tampering] of Object.entries(TAMPERED))
    labTest(
      `${name}, it is not sharp, and goes on`,
      async () => {
        const { cloud, store } = photographer;
        const group = '/sys/fs/cgroup/web';
        const act = async (script?: string): Promise<void> => {
          if (script) await on(cloud, script);
        };
        const driver = tampered(tampering, group, act);
        const member = { name: 'counter', driver, spec: processDriver.spec.parse(SPEC), host: cloud };
        const limits = { maxPauseMs: 20_000, maxBlurMs: 0 };
        const request = {
          name: 'tampered',
          owner: 'test',
          limits,
          createdBy: 'test',
          members: [member],
          store,
        };
        const outcome = await capture(request, testContext()).then(
          ({ manifest }) => `sharp: ${judge(manifest.certificate).sharp}`,
          (error: unknown) => (error instanceof StasisError ? error.code : String(error)),
        );
        expect(outcome).toBe('cut.not-sharp');
        const { count } = await original();
        await until(async () => (await original()).count > count);
      },
      PATIENCE_MS,
    );
});

interface Tampering {
  /** Scripts run on the host when it is held, and when it is dumped. */
  readonly held?: (group: string) => string;
  readonly marked?: (group: string) => string;
  readonly told?: (evidence: HoldEvidence) => HoldEvidence;
}

const thaw = (group: string): string => `echo 0 > ${group}/cgroup.freeze`;
const freeze = (group: string): string => `echo 1 > ${group}/cgroup.freeze`;

function tampered(
  { held, marked, told }: Tampering,
  group: string,
  act: (script?: string) => Promise<void>,
): Driver {
  return {
    ...processDriver,
    prepare: async (spec, at, context): Promise<Session> => {
      const session = await processDriver.prepare(spec as never, at, context);
      const { hold, mark } = session;
      const lied = (evidence: HoldEvidence): HoldEvidence => told?.(evidence) ?? evidence;
      return {
        hold: {
          ...hold!,
          freeze: async (leaseMs, signal) => {
            await hold!.freeze(leaseMs, signal);
            await act(held?.(group));
          },
          evidence: async (signal) => lied(await hold!.evidence(signal)),
          thawWithEvidence: async (signal) => lied(await hold!.thawWithEvidence!(signal)),
        },
        mark: {
          take: async (signal) => {
            const readings = await mark!.take(signal);
            await act(marked?.(group));
            return readings;
          },
        },
        copy: (blobs) => session.copy(blobs),
        fingerprint: (blobs) => session.fingerprint(blobs),
        [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
      };
    },
  } as Driver;
}
