import type { Host } from '../../../provider/core/host.ts';
import { vmDriver } from '../../../provider/drivers/vm/driver.ts';
import type { VmSpec } from '../../../provider/drivers/vm/spec.ts';
import { labOrReason } from '../../support/lab.ts';
import { labHost, on, until } from '../../support/process/rig.ts';
import { linesOf } from '../../support/ring.ts';
import { CountingVm, makeGuest, residueIn, startQemu, ticksOf } from '../../support/vm/rig.ts';
import type { Disturbance, DriverAdapter, Load, System, Target } from './adapter.ts';
import { boundTo } from './bound.ts';

const SOURCE = '/srv/machine';
/** At which nobody but these tests speaks to the machine. */
const OTHER_SOCKET = `${SOURCE}/other.sock`;
/** Never runs. */
const STILL = '/srv/still';

/** Of ours on a host, but for what is in a VM. The brackets keep it from seeing itself. */
const RESIDUE = `
ls -d /var/tmp/stasis-vm-* 2> /dev/null
pgrep -af '[s]tasis-(lease|qmp|nbd)' | cut -c 1-80
true
`;
/** NAME: the VMs of a target, its files, and what a VM that is there already has on its disk. */
const STATE = `
for pid in $(pgrep -f "[q]emu-system.*/$1/"); do cut -d ' ' -f 1,22 "/proc/$pid/stat"; done
find "/srv/$1" "/run/$1" ! -type d -printf '%p %y\\n' 2> /dev/null | sort
find "/srv/$1" "/run/$1" -name 'disk*' -exec sha256sum {} + 2> /dev/null
true
`;
const END = `
for file in "/run/$1/pid" "/srv/$1"/*/stasis-qemu.pid; do
  if read -r pid < "$file"; then kill -9 "$pid"; fi
done 2> /dev/null
rm -rf "/srv/$1" "/run/$1"
`;
/** NAME OFFSET: a word into the disk of what was restored there, past the guest. */
const WRITE = `
set -- $(find "/srv/$1" -name 'disk*' -type f) "$2"
[ $# = 2 ] && printf changed | dd of="$1" bs=1 seek="$2" conv=notrunc 2> /dev/null
`;
/** Far from where the guest writes, and the first byte of a part that the fingerprint names. */
const UNUSED_OFFSET = 48 * 1024 * 1024;

const here = await labOrReason();

class VmAdapter implements DriverAdapter {
  private system: CountingSystem | undefined;
  readonly driver = boundTo<VmSpec>(vmDriver, (spec) => this.system!.hostOf(spec));
  readonly sessions = { watch: false, hold: true, mark: 'held' } as const;
  readonly restless = true;

  async unavailable(): Promise<string | undefined> {
    return here.reason;
  }

  async start(): Promise<System> {
    await using starting = new AsyncDisposableStack();
    const lab = starting.use(await here.start());
    const cloud = starting.use(labHost(lab, 'cloud'));
    const sovereign = starting.use(labHost(lab, 'sovereign'));
    await Promise.all([makeGuest(cloud), makeGuest(sovereign)]);
    await startQemu(cloud, STILL, { more: ['-S'] });
    const more = ['-qmp', `unix:${OTHER_SOCKET},server=on,wait=off`];
    const vm = await CountingVm.start(cloud, SOURCE, { format: 'raw', more });
    this.system = new CountingSystem(vm, sovereign, starting.move());
    return this.system;
  }
}

export const vmAdapter: DriverAdapter = new VmAdapter();

class CountingSystem implements System {
  readonly spec: VmSpec;
  readonly refused = [
    { name: 'nobody there', spec: { qmp: '/run/none.sock' }, codes: ['vm.unreachable'] },
    { name: 'one that does not run', spec: { qmp: `${STILL}/qmp.sock` }, codes: ['vm.not-running'] },
    {
      name: 'no room to work in',
      spec: { qmp: `${SOURCE}/qmp.sock`, scratch: '/none' },
      codes: ['vm.no-scratch'],
    },
  ];
  private readonly vm: CountingVm;
  private readonly sovereign: Host;
  private readonly resources: AsyncDisposableStack;
  private targets = 0;

  constructor(vm: CountingVm, sovereign: Host, resources: AsyncDisposableStack) {
    this.vm = vm;
    this.sovereign = sovereign;
    this.resources = resources;
    this.spec = { qmp: vm.qmp };
  }

  hostOf({ qmp = '' }: VmSpec): Host {
    return qmp.startsWith('/run/target-') ? this.sovereign : this.vm.host;
  }

  get disturbances(): readonly Disturbance[] {
    const { host } = this.vm;
    const script = (name: string, changes: boolean, text: string, ...args: string[]): Disturbance => ({
      ...{ name, changes },
      disturb: async () => {
        await on(host, text, ...args);
      },
    });
    const said = (name: string, changes: boolean, ...commands: string[]): Disturbance =>
      script(name, changes, SAY, OTHER_SOCKET, ...commands);
    return [
      said('let go on by somebody else', true, 'cont'),
      said('stopped and let go on by somebody else', true, 'stop', 'cont'),
      said('asked by somebody else', false, 'query-block', 'query-migrate'),
      script(
        'QEMU stopped and continued by signals',
        false,
        `p=$(cat "$1/pid"); kill -STOP $p; sleep 0.05; kill -CONT $p`,
        SOURCE,
      ),
    ];
  }

  /** It is at work all the time. */
  async load(): Promise<Load> {
    const { host, folder } = this.vm;
    const operations = async (): Promise<number> => {
      const said = await on(host, 'tail -n 4 "$1"', `${folder}/serial`);
      return ticksOf(said.split(/\r?\n/)).at(-1) ?? 0;
    };
    const before = await operations();
    await until(async () => (await operations()) > before);
    return { operations, [Symbol.asyncDispose]: async () => {} };
  }

  async emptyTarget(): Promise<Target> {
    this.targets += 1;
    return new CountingTarget(this.sovereign, `target-${this.targets}`);
  }

  async filledTarget(): Promise<Target> {
    this.targets += 1;
    const name = `target-${this.targets}`;
    // Still, so that it is the same for as long as nobody touches it.
    await startQemu(this.sovereign, `/run/${name}`, { more: ['-S'] });
    return new CountingTarget(this.sovereign, name);
  }

  async residue(): Promise<readonly string[]> {
    const torn = (await this.vm.said()).filter((line) => line.startsWith('TORN'));
    const inside = linesOf(await residueIn(this.vm, OTHER_SOCKET));
    return [...torn, ...inside, ...linesOf(await on(this.vm.host, RESIDUE))];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.resources.disposeAsync();
  }
}

/** SOCKET COMMAND…: says these, and waits for the answers. */
const SAY = `python3 -c 'import json, socket, sys
door = socket.socket(socket.AF_UNIX)
door.settimeout(20)
door.connect(sys.argv[1])
lines = door.makefile("rw")
for command in ["qmp_capabilities"] + sys.argv[2:]:
    lines.write(json.dumps({"execute": command}) + "\\\\n")
    lines.flush()
    while not {"return", "error"} & set(json.loads(lines.readline())):
        pass' "$@"
`;

class CountingTarget implements Target {
  readonly spec: VmSpec;
  private readonly host: Host;
  private readonly name: string;

  constructor(host: Host, name: string) {
    this.host = host;
    this.name = name;
    this.spec = { qmp: `/run/${name}/qmp.sock`, folder: `/srv/${name}` };
  }

  /** It goes on counting, without a gap or a boot, and its disk has what its memory knows of. */
  async faults(): Promise<readonly string[]> {
    const said = async (): Promise<string[]> =>
      (await on(this.host, 'cat "/srv/$1"/*/serial', this.name)).split(/\r?\n/);
    await until(async () => ticksOf(await said()).length > 4, 60_000);
    const lines = await said();
    const ticks = ticksOf(lines);
    const gaps = ticks.filter((tick, index) => tick !== ticks[0]! + index);
    return [...lines.filter((line) => /^(TORN|BOOT)/.test(line)), ...gaps.map((tick) => `a gap at ${tick}`)];
  }

  async mutate(): Promise<string> {
    await on(this.host, WRITE, this.name, String(UNUSED_OFFSET));
    return `disk/disk0/${UNUSED_OFFSET.toString(16).padStart(12, '0')}`;
  }

  state(): Promise<string> {
    return on(this.host, STATE, this.name);
  }

  async residue(): Promise<readonly string[]> {
    return linesOf(await on(this.host, RESIDUE));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await on(this.host, END, this.name);
  }
}
