import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Driver } from '../../../provider/core/driver.ts';
import type { Host } from '../../../provider/core/host.ts';
import { processDriver } from '../../../provider/drivers/process/driver.ts';
import { labOrReason } from '../../support/lab.ts';
import { inside } from '../../support/process/photographer.ts';
import { labHost, on, once, until } from '../../support/process/rig.ts';
import { startService } from '../../support/process/servers.ts';
import type { Disturbance, DriverAdapter, Load, System, Target } from './adapter.ts';

const PROGRAM = join(import.meta.dirname, '../../support/process/ring.py');
const FILES = ['/srv/ring'];

/** WORD: asks the ring, and prints what it says. */
const ASK = `python3 -c 'import socket, sys
door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
door.settimeout(20)
door.sendto(sys.argv[1].encode(), ("127.0.0.1", 7500))
print(door.recv(1000).decode())' "$1"`;

/** Adds again and again, and keeps the number of answers in a file. */
const LOAD = `
import socket, time
door, answers = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0
while True:
    door.sendto(b'add', ('127.0.0.1', 7500))
    door.recv(1000)
    answers += 1
    with open('/run/answers', 'w') as file:
        file.write(str(answers))
    time.sleep(0.02)
`;

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
/** PIDFILE: writes into the region that the process has for that, and prints where it is. */
const MUTATE = `python3 -c 'import sys
pid = open(sys.argv[1]).read().strip()
address = int(open(f"/proc/{pid}/root/srv/ring/address").read())
with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
    memory.seek(address + 100)
    memory.write(b"changed")
own = [line.split()[-1] for line in open(f"/proc/{pid}/status") if line.startswith("NSpid")][0]
print(f"process/{own}/memory/{address:016x}")' "$1"`;

const here = await labOrReason();

/** The driver as it is on that host: the suite knows of no other than this machine. */
function boundTo(host: () => Host): Driver {
  return {
    ...processDriver,
    plan: (spec, _, context) => processDriver.plan(spec as never, host(), context),
    prepare: (spec, _, context) => processDriver.prepare(spec as never, host(), context),
    planRestore: (spec, _, from, context) => processDriver.planRestore(spec as never, host(), from, context),
    restore: (spec, _, from, blobs, options, context) =>
      processDriver.restore(spec as never, host(), from, blobs, options, context),
    observe: (spec, _, context) => processDriver.observe(spec as never, host(), context),
    undo: (spec, _, entry, context) => processDriver.undo(spec as never, host(), entry, context),
  } as Driver;
}

class ProcessAdapter implements DriverAdapter {
  private system: RingSystem | undefined;
  readonly driver = boundTo(() => this.system!.host);

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
    await until(async () => (await on(host, ASK, 'look')) !== '');
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
    await on(this.host, ASK, word);
  }

  async load(): Promise<Load> {
    await on(this.host, 'rm -f /run/answers');
    await startService(this.host, 'load', 'root', 'python3', '-c', LOAD);
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

  /** Memory and log tell of the same number of operations, but for the one that was under way. */
  async faults(): Promise<readonly string[]> {
    const seen = await inside(this.host, this.pidFile, `${ASK}; tail -n 1 /srv/ring/log`, 'look');
    const [told = '', logged = '0'] = seen.split('\n');
    const { count, ring } = JSON.parse(told) as { count: number; ring: number[] };
    const expected = ring.map((_, index) => Math.max(0, count - ((((count - index) % 10) + 10) % 10)));
    const faults = ring.flatMap((value, index) =>
      value === expected[index] ? [] : [`ring ${index} is ${value} and not ${expected[index]}`],
    );
    return Number(logged) === count
      ? faults
      : [...faults, `the log is at ${logged} and the memory at ${count}`];
  }

  mutate(): Promise<string> {
    return on(this.host, MUTATE, this.pidFile);
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

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
