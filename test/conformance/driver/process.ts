import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { once } from '../../../provider/core/content.ts';
import type { Host } from '../../../provider/core/host.ts';
import { processDriver } from '../../../provider/drivers/process/driver.ts';
import { labOrReason } from '../../support/lab.ts';
import { inside } from '../../support/process/photographer.ts';
import { labHost, on, until } from '../../support/process/rig.ts';
import { startService } from '../../support/process/servers.ts';
import { ASK_RING, LOAD_RING, linesOf, MUTATE_RING, ringFaults } from '../../support/ring.ts';
import type { Disturbance, DriverAdapter, Load, System, Target } from './adapter.ts';
import { boundTo } from './bound.ts';

const PROGRAM = join(import.meta.dirname, '../../support/process/ring.py');
const FILES = ['/srv/ring'];

/** Of ours on the host, but for what belongs to a restored tree that lives. The brackets keep it from seeing itself. */
const RESIDUE = `
ls -d /run/stasis/dump-* /srv/*.stasis-* 2> /dev/null
ls /sys/fs/cgroup | grep '^stasis-[0-9]'
pgrep -af '[s]tasis-(lease|folder|freezer|dump)' | cut -c 1-80
true
`;
const TARGET_RESIDUE = `
pid=$(cat "$1" 2> /dev/null)
[ -n "$pid" ] && kill -0 "$pid" 2> /dev/null && [ -e "$1.stasis" ] && exit 0
ls -d /run/netns/stasis-* /sys/fs/cgroup/stasis-restored-* /var/lib/stasis/* 2> /dev/null
true
`;
const STATE = `
cat "$1" "$1.stasis" 2> /dev/null
pid=$(cat "$1" 2> /dev/null) && [ -d "/proc/$pid" ] && cut -d ' ' -f 1,2,22 "/proc/$pid/stat"
ls -d /run/netns/stasis-* /sys/fs/cgroup/stasis-restored-* /var/lib/stasis/* 2> /dev/null
true
`;
const here = await labOrReason();

class ProcessAdapter implements DriverAdapter {
  private system: RingSystem | undefined;
  readonly driver = boundTo(processDriver, () => this.system!.host);
  readonly sessions = { watch: false, hold: true, mark: 'held' } as const;

  async unavailable(): Promise<string | undefined> {
    return here.reason;
  }

  async start(): Promise<System> {
    await using starting = new AsyncDisposableStack();
    const lab = starting.use(await here.start());
    const host = starting.use(labHost(lab, 'cloud'));
    const { signal } = new AbortController();
    await host.write('/opt/ring.py', once(await readFile(PROGRAM)), { signal });
    await startService(host, 'ring', 'root', 'python3', '/opt/ring.py', '/srv/ring');
    await until(async () => (await on(host, ASK_RING, 'look')) !== '');
    this.system = new RingSystem(host, starting.move());
    return this.system;
  }
}

export const processAdapter: DriverAdapter = new ProcessAdapter();

class RingSystem implements System {
  readonly host: Host;
  readonly spec = { pidFile: '/run/ring.pid', files: FILES };
  readonly refused = [
    { name: 'no such process', spec: { pid: 999_999 }, codes: ['process.not-running'] },
    { name: 'no such pid file', spec: { pidFile: '/run/none.pid' }, codes: ['process.not-running'] },
    { name: 'no such folder', spec: { ...this.spec, files: ['/none'] }, codes: ['process.no-folder'] },
  ];
  private readonly resources: AsyncDisposableStack;
  private targets = 0;

  constructor(host: Host, resources: AsyncDisposableStack) {
    this.host = host;
    this.resources = resources;
  }

  get disturbances(): readonly Disturbance[] {
    const script = (name: string, changes: boolean, text: string): Disturbance => ({
      ...{ name, changes },
      disturb: async () => {
        await on(this.host, text);
      },
    });
    const group = `group=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$(cat /run/ring.pid)/cgroup")`;
    return [
      script(
        'a thaw by somebody else',
        true,
        `${group}; [ "$group" = /sys/fs/cgroup/ ] || echo 0 > "$group/cgroup.freeze"; sleep 0.1`,
      ),
      script(
        'stopped and continued by signals',
        false,
        'p=$(cat /run/ring.pid); kill -STOP $p; sleep 0.05; kill -CONT $p',
      ),
      { name: 'a child that comes and goes', changes: true, disturb: () => this.ask('fork') },
      { name: 'work of its own', changes: true, disturb: () => this.ask('add') },
    ];
  }

  private async ask(word: string): Promise<void> {
    await on(this.host, ASK_RING, word);
  }

  async load(): Promise<Load> {
    await on(this.host, 'rm -f /run/answers');
    await startService(this.host, 'load', 'root', 'python3', '-c', LOAD_RING);
    const operations = async (): Promise<number> =>
      Number(await on(this.host, 'cat /run/answers 2> /dev/null || echo 0'));
    await until(async () => (await operations()) > 0);
    return {
      operations,
      [Symbol.asyncDispose]: async () => {
        await on(this.host, 'kill -9 "$(cat /run/load.pid)"');
      },
    };
  }

  async emptyTarget(): Promise<Target> {
    this.targets += 1;
    return new RingTarget(this.host, `/run/target-${this.targets}.pid`);
  }

  async filledTarget(): Promise<Target> {
    this.targets += 1;
    await startService(this.host, `target-${this.targets}`, 'root', 'sleep', '10000');
    return new RingTarget(this.host, `/run/target-${this.targets}.pid`);
  }

  async residue(): Promise<readonly string[]> {
    return linesOf(await on(this.host, RESIDUE));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.resources.disposeAsync();
  }
}

class RingTarget implements Target {
  readonly spec;
  private readonly host: Host;
  private readonly pidFile: string;

  constructor(host: Host, pidFile: string) {
    this.host = host;
    this.pidFile = pidFile;
    this.spec = { pidFile, files: FILES };
  }

  async faults(): Promise<readonly string[]> {
    const seen = await inside(this.host, this.pidFile, `${ASK_RING}; tail -n 1 /srv/ring/log`, 'look');
    const [told = '', logged = '0'] = seen.split('\n');
    return ringFaults(told, logged);
  }

  mutate(): Promise<string> {
    return on(this.host, `set -- "$(cat "$1")"; ${MUTATE_RING}`, this.pidFile);
  }

  state(): Promise<string> {
    return on(this.host, STATE, this.pidFile);
  }

  async residue(): Promise<readonly string[]> {
    return linesOf(await on(this.host, `${RESIDUE}\n${TARGET_RESIDUE}`, this.pidFile));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await on(
      this.host,
      '[ ! -e "$1" ] || kill -9 "$(cat "$1")"; rm -f -- "$1" "$1.stasis"; true',
      this.pidFile,
    );
    await until(async () => linesOf(await on(this.host, TARGET_RESIDUE, this.pidFile)).length === 0);
  }
}
