import { basename, isAbsolute, join } from 'node:path';
import { StasisError } from '../../core/errors.ts';

/** Stands in the captured command line for the folder that the restored VM gets. */
export const FOLDER_MARK = '@STASIS_FOLDER@';

export interface PortableArguments {
  /** Without what the target supplies itself; paths are replaced by names in its folder. */
  readonly argv: readonly string[];
  /** Of each disk, by the path that it has here: its name in the folder. */
  readonly disks: ReadonlyMap<string, string>;
  /** Files that QEMU only reads, such as a kernel or firmware: path here, name in the folder. */
  readonly files: ReadonlyMap<string, string>;
  readonly problems: readonly StasisError[];
}

/** How one option is treated; those not listed stay as they are, but for paths in known keys. */
const READ_FILES = new Set(['-kernel', '-initrd', '-dtb', '-shim']);
const DISKS = new Set(['-hda', '-hdb', '-hdc', '-hdd', '-cdrom', '-pflash', '-bios']);
/** The target's own: how it is started, watched and spoken to. */
const DROPPED_WITH_VALUE = new Set(['-qmp', '-qmp-pretty', '-pidfile', '-incoming', '-loadvm', '-D', '-d']);
const DROPPED = new Set(['-S', '-daemonize', '-nographic']);
/** What ends in a terminal has none on the target. */
const CONSOLES = new Set(['-serial', '-monitor', '-parallel', '-debugcon']);
const KEYED = new Set([
  '-drive',
  '-blockdev',
  '-chardev',
  '-serial',
  '-monitor',
  '-device',
  '-object',
  '-fw_cfg',
]);
const PATH_KEY = /(^|\.)(file|filename|path|logfile|romfile)$/;
const REFUSED: Readonly<Record<string, string>> = {
  '-snapshot': 'what a VM started with -snapshot writes is in files without a name',
  '-chroot': 'QEMU runs in a root file system of its own',
  '-readconfig': 'part of its configuration is in a file',
  '-writeconfig': 'part of its configuration is in a file',
};

/** @param disks paths of the disks here, as QEMU itself tells them */
export function portableArguments(
  argv: readonly string[],
  cwd: string,
  machine: string,
  disks: readonly string[],
): PortableArguments {
  return new Translation(cwd, machine, disks).translate(argv);
}

class Translation {
  private readonly cwd: string;
  private readonly machine: string;
  private readonly isDisk: ReadonlySet<string>;
  private readonly out: string[] = [];
  private readonly names = new Map<string, string>();
  private readonly disks = new Map<string, string>();
  private readonly files = new Map<string, string>();
  private readonly problems: StasisError[] = [];

  constructor(cwd: string, machine: string, disks: readonly string[]) {
    this.cwd = cwd;
    this.machine = machine;
    this.isDisk = new Set(disks);
  }

  translate(argv: readonly string[]): PortableArguments {
    const [program, ...rest] = argv;
    this.out.push(basename(program ?? ''));
    let typed = false;
    for (let at = 0; at < rest.length; at += 1) {
      const option = rest[at]!.replace(/^--/, '-');
      if (!option.startsWith('-')) {
        this.out.push(this.placed(option));
        continue;
      }
      if (option === '-nographic') this.out.push('-display', 'none');
      if (DROPPED.has(option)) continue;
      if (REFUSED[option] !== undefined) this.refuse(option, REFUSED[option]);
      const value = rest[at + 1];
      if (value === undefined || !takesValue(option, value)) {
        this.out.push(option);
        continue;
      }
      at += 1;
      if (DROPPED_WITH_VALUE.has(option)) continue;
      if (option === '-machine' || option === '-M') typed = true;
      this.out.push(option, this.value(option, value));
    }
    if (!typed) this.out.push('-machine', this.machine);
    const { out, disks, files, problems } = this;
    return { argv: out, disks, files, problems };
  }

  private value(option: string, value: string): string {
    if (option === '-machine' || option === '-M') return pinned(value, this.machine);
    if (READ_FILES.has(option)) return this.file(value);
    if (DISKS.has(option))
      return this.isDisk.has(this.absolute(value)) ? this.placed(value) : this.file(value);
    if (CONSOLES.has(option) && /^(mon:)?(stdio|pty|vc.*)$/.test(value)) return 'null';
    if (CONSOLES.has(option) && /^(mon:)?(unix|file|pipe):/.test(value)) return this.consoleValue(value);
    if (!KEYED.has(option)) return value;
    if (option === '-object' && /^secret,.*\bdata=/.test(value))
      this.refuse(option, 'it holds a secret, which must be in no snapshot');
    if (value.startsWith('{')) return JSON.stringify(this.json(JSON.parse(value) as Json, option));
    return this.keyed(option, value);
  }

  /** `unix:PATH,server=on`, `file:PATH`. */
  private consoleValue(value: string): string {
    const [, prefix = '', path = '', rest = ''] =
      /^((?:mon:)?(?:unix|file|pipe):)([^,]*)(.*)$/.exec(value) ?? [];
    return `${prefix}${this.placed(path)}${rest}`;
  }

  /** `key=value,key=value`, with commas in values doubled. */
  private keyed(option: string, value: string): string {
    return splitOptions(value)
      .filter((part) => !/^(backing|file\.backing)(\.|=)/.test(part))
      .map((part) => {
        const [, key = '', text = ''] = /^([^=]*)=(.*)$/s.exec(part) ?? [];
        if (text === '' || !PATH_KEY.test(key)) return part;
        const path = text.replaceAll(',,', ',');
        if (!this.isPath(path)) return part;
        const named =
          option === '-drive' || option === '-blockdev' ? this.block(path) : this.other(key, path);
        return `${key}=${named.replaceAll(',', ',,')}`;
      })
      .map((part) => (part === 'driver=host_device' ? 'driver=file' : part))
      .join(',');
  }

  private json(value: Json, option: string): Json {
    if (Array.isArray(value)) return value.map((one) => this.json(one, option));
    if (typeof value !== 'object' || value === null) return value;
    const result: { [key: string]: Json } = {};
    for (const [key, inner] of Object.entries(value)) {
      if (key === 'backing') continue;
      if (typeof inner === 'string' && PATH_KEY.test(key) && this.isPath(inner))
        result[key] = option === '-blockdev' ? this.block(inner) : this.other(key, inner);
      else if (key === 'driver' && inner === 'host_device') result[key] = 'file';
      else result[key] = this.json(inner, option);
    }
    return result;
  }

  private isPath(value: string): boolean {
    return (
      isAbsolute(value) || (!/^[\w+.-]+:/.test(value) && !/^libvirt-|^#/.test(value) && value.includes('.'))
    );
  }

  private block(path: string): string {
    return this.isDisk.has(this.absolute(path)) ? this.placed(path) : this.file(path);
  }

  /** A socket or a log goes into the folder; what is only read goes along. */
  private other(key: string, path: string): string {
    return key.endsWith('file') && key !== 'logfile' ? this.file(path) : this.placed(path);
  }

  private file(path: string): string {
    const absolute = this.absolute(path);
    this.files.set(absolute, this.nameOf(absolute));
    return `${FOLDER_MARK}/${this.nameOf(absolute)}`;
  }

  private placed(path: string): string {
    const absolute = this.absolute(path);
    const name = this.nameOf(absolute);
    if (this.isDisk.has(absolute)) this.disks.set(absolute, name);
    return `${FOLDER_MARK}/${name}`;
  }

  private absolute(path: string): string {
    return isAbsolute(path) ? path : join(this.cwd, path);
  }

  /** Its own name, made unlike those of other files of the same name. */
  private nameOf(path: string): string {
    const known = this.names.get(path);
    if (known !== undefined) return known;
    const taken = new Set(this.names.values());
    let name = basename(path);
    for (let number = 2; taken.has(name); number += 1) name = `${number}-${basename(path)}`;
    this.names.set(path, name);
    return name;
  }

  private refuse(option: string, why: string): void {
    this.problems.push(
      new StasisError('vm.not-portable', `The VM's command line has ${option}: ${why}.`, {
        hint: 'Start the VM without it, or define it in libvirt and capture it by domain.',
        at: ['qmp'],
      }),
    );
  }
}

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** An alias (`q35`) becomes the versioned machine that it stood for. */
function pinned(value: string, machine: string): string {
  const [first = '', ...rest] = splitOptions(value);
  if (/^type=/.test(first)) return [`type=${machine}`, ...rest].join(',');
  return first.includes('=') ? [machine, first, ...rest].join(',') : [machine, ...rest].join(',');
}

function splitOptions(value: string): string[] {
  return value
    .replaceAll(',,', '\0')
    .split(',')
    .map((part) => part.replaceAll('\0', ',,'));
}

/** Options of QEMU that stand alone (qemu-options.hx); all others are followed by a value. */
const ALONE = new Set([
  ...['-enable-kvm', '-no-user-config', '-nodefaults', '-no-reboot', '-no-shutdown', '-only-migratable'],
  ...[
    '-no-acpi',
    '-no-hpet',
    '-usb',
    '-full-screen',
    '-win2k-hack',
    '-no-fd-bootchk',
    '-preconfig',
    '-xen-attach',
  ],
  ...['-semihosting', '-mem-prealloc', '-one-insn-per-tb', '-singlestep', '-snapshot', '-no-quit'],
]);

function takesValue(option: string, next: string): boolean {
  return !ALONE.has(option) && !(next.startsWith('-') && /^-[a-z]/i.test(next));
}
