import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Host } from '../../../provider/core/host.ts';
import { sleep } from '../../../provider/core/wait.ts';
import { on } from '../process/rig.ts';

const SYSTEM = '/opt/guest';
const BOOT_MS = 60_000;

/** Once a host: the kernel and initial file system of the guest that counts. */
export function makeGuest(host: Host): Promise<void> {
  return makeSystem(host, SYSTEM, 'counting.sh');
}

/**
 * The kernel and initial file system of a guest that runs a program of this folder, in a folder of the host.
 * @param files of the host that the guest has as well, with the libraries of those that are programs
 */
export async function makeSystem(
  host: Host,
  system: string,
  program: string,
  files: readonly string[] = [],
): Promise<void> {
  const read = (name: string): Promise<string> => readFile(join(import.meta.dirname, name), 'utf8');
  await on(host, await read('guest.sh'), system, await read(program), ...files);
}

const START = `
folder=$1 system=$2 format=$3 qmp=$4 filter=$5; shift 5
name=\${folder##*/}
mkdir -p "$folder" && cd "$folder" || exit 1
[ -e "disk.$format" ] || qemu-img create -q -f "$format" "disk.$format" 64M || exit 1
set -- qemu-system-x86_64 -name "$name,debug-threads=on" -machine q35 -accel tcg,tb-size=32 -m 128 -smp 1 -nodefaults \\
  -no-user-config -display none -kernel "$system/vmlinuz" -initrd "$system/guest.cpio.gz" \\
  -append 'console=ttyS0 quiet panic=-1 tsc=reliable' -serial "file:$folder/serial" \\
  -drive "file=$folder/disk.$format,if=virtio,format=$format,id=disk0" \\
  -qmp "unix:$qmp,server=on,wait=off" -pidfile "$folder/pid" "$@"
# Whoever waits for words of the new guest is not to find those of the last one.
: > "$folder/serial" || exit 1
[ -n "$filter" ] || exec setsid "$@" -daemonize
setsid setpriv --seccomp-filter "$filter" "$@" < /dev/null > /dev/null 2>&1 &
`;

export interface VmOptions {
  readonly format?: 'qcow2' | 'raw';
  /** The folder of its kernel and initial file system. */
  readonly system?: string;
  /** Where it answers QMP; `qmp.sock` in its folder if not set. */
  readonly qmp?: string;
  /**
   * Started so that CRIU can capture QEMU: with this file as its filter of system calls, and as the leader of its
   * session, which it is not once it has put itself into the background.
   */
  readonly filter?: string;
  readonly more?: readonly string[];
}

/** QEMU with a guest whose first serial port is the file `serial` in that folder. */
export async function startQemu(host: Host, folder: string, options: VmOptions = {}): Promise<void> {
  const { format = 'qcow2', system = SYSTEM, qmp = `${folder}/qmp.sock`, filter = '', more = [] } = options;
  await on(host, START, folder, system, format, qmp, filter, ...more);
}

/** A VM under QEMU's software emulation that counts; in a folder of its own. */
export class CountingVm {
  readonly host: Host;
  readonly folder: string;

  constructor(host: Host, folder: string) {
    this.host = host;
    this.folder = folder;
  }

  static async start(host: Host, folder: string, options: VmOptions = {}): Promise<CountingVm> {
    await startQemu(host, folder, options);
    const vm = new CountingVm(host, folder);
    await vm.untilCounts();
    return vm;
  }

  get qmp(): string {
    return `${this.folder}/qmp.sock`;
  }

  /** What it has said on its serial port. */
  async said(): Promise<string[]> {
    return (await on(this.host, 'cat "$1"', `${this.folder}/serial`)).split(/\r?\n/);
  }

  async ticks(): Promise<number[]> {
    return ticksOf(await this.said());
  }

  /** The last number that it told. */
  async count(): Promise<number> {
    return (await this.ticks()).at(-1) ?? 0;
  }

  /** Until it has counted on by so much; the number then. */
  async untilCounts(by = 3): Promise<number> {
    const untilMs = Date.now() + BOOT_MS;
    const from = await this.count().catch(() => 0);
    for (;;) {
      const now = await this.count().catch(() => 0);
      if (now >= from + by) return now;
      if (Date.now() > untilMs) throw new Error(`the VM in ${this.folder} does not count: ${now}`);
      await sleep(100);
    }
  }

  async end(): Promise<void> {
    await on(this.host, 'read -r p < "$1/pid" && kill -9 "$p"; rm -rf "$1"', this.folder);
  }
}

export function ticksOf(lines: readonly string[]): number[] {
  return lines.flatMap((line) => (/^TICK \d+$/.test(line) ? [Number(line.slice(5))] : []));
}

/**
 * What of ours is in a QEMU and beside it: names of jobs, nodes, exports and bitmaps of a capture, its run state, and
 * scratch files. `socket` is one that nobody speaks at.
 */
export async function residueIn(vm: CountingVm, socket = vm.qmp): Promise<string> {
  return on(vm.host, RESIDUE, socket);
}

const RESIDUE = `python3 -c 'import glob, json, re, socket, sys
door = socket.socket(socket.AF_UNIX)
door.settimeout(20)
door.connect(sys.argv[1])
lines = door.makefile("rw")
def ask(command):
    lines.write(json.dumps({"execute": command}) + "\\n")
    lines.flush()
    while True:
        answer = json.loads(lines.readline())
        if "return" in answer or "error" in answer:
            return answer.get("return")
ask("qmp_capabilities")
asked = ["query-named-block-nodes", "query-jobs", "query-block-exports"]
left = sorted(set(re.findall("stasis-[0-9a-f]{8}-[a-z0-9]*", json.dumps([ask(each) for each in asked]))))
if not ask("query-status")["running"]:
    left.append("it does not run")
left += [each["capability"] + " is set" for each in ask("query-migrate-capabilities") if each["capability"] == "background-snapshot" and each["state"]]
left += glob.glob("/var/tmp/stasis-vm-*")
print(*left, sep="\\n")' "$1"
`;
