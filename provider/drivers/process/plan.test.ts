import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { type Lab, labOrReason } from '../../../test/support/lab.ts';
import { labHost, on, TokenApplication } from '../../../test/support/process/rig.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import type { Host } from '../../core/host.ts';
import { problemsOf } from '../../core/schema.ts';
import { processDriver } from './driver.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 240_000;

describe('what names a tree', () => {
  test.each([
    [{}, 'process.which-tree'],
    [{ pid: 1, pidFile: '/run/x' }, 'process.which-tree'],
    [{ pidFile: 'relative' }, 'input.invalid'],
    [{ unit: 'a b' }, 'input.invalid'],
  ])('%j is refused', (spec, code) => {
    expect(problemsOf(processDriver.spec, spec).map((problem) => problem.code)).toContain(code);
  });

  test('endpoints tell ways and places apart', () => {
    const endpoints = [{ pid: 7 }, { pidFile: '/run/7' }, { cgroup: '/7' }, { unit: '7' }].map((spec) =>
      processDriver.endpoint(processDriver.spec.parse(spec)),
    );
    expect(new Set(endpoints).size).toBe(4);
  });
});

describe('a plan', () => {
  let lab: Lab;
  let cloud: Host & AsyncDisposable;

  beforeAll(async () => {
    if (here.reason !== undefined) return;
    lab = await here.start();
    cloud = labHost(lab, 'cloud');
    await TokenApplication.start(cloud);
  }, PATIENCE_MS);
  afterAll(async () => {
    await cloud?.[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
  }, PATIENCE_MS);

  async function planned(spec: object) {
    return processDriver.plan(processDriver.spec.parse(spec), cloud, testContext());
  }

  async function codesOf(spec: object): Promise<string[]> {
    return (await planned(spec)).problems.map(({ code }) => code);
  }

  /** Starts a program that lives until the lab ends, and names its pid file. */
  async function started(name: string, ...argv: string[]): Promise<string> {
    await on(
      cloud,
      'name=$1; shift; setsid "$@" < /dev/null > /dev/null 2>&1 & echo $! > "/run/$name.pid"; sleep 0.5',
      ...[name, ...argv],
    );
    return `/run/${name}.pid`;
  }

  labTest(
    'of a service that can be captured tells its size, the pause, and what is outside of it',
    async () => {
      const plan = await planned({ pidFile: '/run/tokens.pid' });
      expect(plan.problems).toEqual([]);
      expect(plan.sizeBytes).toBeGreaterThan(1_000_000);
      expect(plan.pauseMs).toBeGreaterThan(0);
      expect(plan.outside.map(({ code }) => code).sort()).toEqual(['process.open-file', 'process.peer']);
      expect(
        (await planned({ pidFile: '/run/tokens.pid', files: ['/srv/app'] })).outside.map(({ code }) => code),
      ).toEqual(['process.peer']);
    },
  );

  labTest('names what is not there', async () => {
    expect(await codesOf({ pid: 999_999 })).toEqual(['process.not-running']);
    expect(await codesOf({ pidFile: '/run/none.pid' })).toEqual(['process.not-running']);
    expect(await codesOf({ cgroup: '/none' })).toEqual(['process.not-running']);
    expect(await codesOf({ unit: 'web.service' })).toEqual(['process.no-systemd']);
    expect(await codesOf({ pidFile: '/run/tokens.pid', files: ['/none'] })).toEqual(['process.no-folder']);
  });

  labTest('names what cannot be captured, with what to do', async () => {
    const ring = await started('ring', 'node', '-e', 'setInterval(() => {}, 1000)');
    expect(await codesOf({ pidFile: ring })).toEqual(['process.io-uring']);
    const contained = await started(
      'contained',
      'unshare',
      '--pid',
      '--mount-proc',
      '--fork',
      'sleep',
      '600',
    );
    const child = await on(cloud, 'cat /proc/$(cat /run/contained.pid)/task/*/children');
    expect(await codesOf({ pid: Number(child) })).toContain('process.own-namespaces');
    expect(await codesOf({ pidFile: contained })).toContain('process.own-namespaces');
    const device = await started('device', 'sh', '-c', 'exec 3<>/dev/net/tun; sleep 600');
    expect(await codesOf({ pidFile: device })).toEqual(['process.device']);
    const terminal = ['python3', '-c', 'import pty; pty.spawn(["sleep", "600"])'];
    await started('terminal', ...terminal);
    const onTerminal = await on(cloud, 'cat /proc/$(cat /run/terminal.pid)/task/*/children');
    expect(await codesOf({ pid: Number(onTerminal) })).toEqual(['process.terminal']);
    const binds =
      'import socket, time; s = socket.socket(socket.AF_UNIX); s.bind("/root/socket"); time.sleep(600)';
    const bound = await started('socket', 'python3', '-c', binds);
    expect(await codesOf({ pidFile: bound })).toEqual(['process.socket-outside']);
    const segment =
      'import ctypes, time; c = ctypes.CDLL(None); c.shmat(c.shmget(7, 4096, 0o1600), None, 0); time.sleep(600)';
    const [one] = [
      await started('one', 'python3', '-c', segment),
      await started('other', 'python3', '-c', segment),
    ];
    expect(await codesOf({ pidFile: one })).toEqual(['process.shared-with-strangers']);
    // Named and already without a name: the one is seen in /dev/mqueue, the other nowhere.
    for (const unlink of ['', 'c.mq_unlink(b"/letters"); ']) {
      const queue = `import ctypes, time; c = ctypes.CDLL(None); assert c.mq_open(b"/letters", 0o102, 0o600, None) >= 0; ${unlink}time.sleep(600)`;
      const reader = await started('queue', 'python3', '-c', queue);
      expect(await codesOf({ pidFile: reader })).toEqual(['process.message-queue']);
    }
    for (const { hint } of (await planned({ pidFile: ring })).problems) expect(hint).toMatch(/\.$/);
  });

  labTest('a tree by its control group is all that is in it, and must be one', async () => {
    await on(
      cloud,
      'mkdir -p /sys/fs/cgroup/two; for n in 1 2; do setsid sleep 600 < /dev/null > /dev/null 2>&1 & echo $! > /sys/fs/cgroup/two/cgroup.procs; done',
    );
    expect(await codesOf({ cgroup: '/two' })).toEqual(['process.several-trees']);
  });
});
