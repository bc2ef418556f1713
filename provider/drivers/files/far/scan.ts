import { StasisError } from '../../../core/errors.ts';
import type { Host } from '../../../core/host.ts';
import type { Entry } from '../entry.ts';
import { type FileSystem, fileSystemOf, nameOfMounted, PSEUDO_NAMES } from '../filesystem.ts';
import { ANONYMOUS_MAJOR, majorOf, numbersOf } from '../mappings.ts';
import { MOUNTS_FILE, type Mount, mountsAbove, mountsIn, upperFolder } from '../mounts.ts';
import { tokensIn } from '../nul-terminated.ts';
import { absolute, type ClockReading, missing, type Scan, type Skipped } from '../scan.ts';
import type { Excluded } from '../selection.ts';
import { codeOf, insistOnlyGone, type Part } from './commands.ts';
import { PROCESSES, processesIn } from './processes.ts';
import { recordOf, STAT_FORMAT, type StatRecord } from './records.ts';

/**
 * ROOT OURS NAME…: looks at all that lies below ROOT but for what has a NAME, in one exchange. A folder begins with a
 * name that nobody else has, so that it is not left out itself. What the kernel makes up is not entered. Whoever must
 * not read everything is told which folders are closed to him.
 */
export const SCAN = `
LC_ALL=C; export LC_ALL
root=$1 ours=$2; shift 2
read -r from rest < /proc/uptime
wall=$(date +%s%N)
read -r to rest < /proc/uptime
part clock; echo "$from $wall $to"
at=$root
if [ -d "$root" ]; then at=$root/.; else set --; fi
left=$#
exec 3>&1
errors=$( {
while [ "$left" -gt 0 ]; do set -- "$@" -name "$1" -prune -o; shift; left=$((left - 1)); done
part entries
find "$at" "$@" -type d '(' ${PSEUDO_NAMES.map((name) => `-fstype ${name}`).join(' -o ')} ')' -prune -print0 -o -print0 |
  xargs -0 -r stat --printf '${STAT_FORMAT}' --
part links; find "$at" "$@" -type l -printf '%p\\0%l\\0'
part closed; [ "$ours" = 0 ] || find "$at" "$@" -type d '(' ! -readable -o ! -executable ')' -printf '%p\\0'
} 2>&1 >&3 3>&- )
part errors; printf '%s\\n' "$errors"
part mounts; cat ${MOUNTS_FILE}
${PROCESSES}
part ended; date +%s%N
`;

export function scanArguments(root: Buffer, uid: number, excluded: Excluded): string[] {
  return [root.toString(), String(uid), ...excluded.names];
}

/** What the upper folder of an overlay lies on; nothing where the host does not see it, as inside a container. */
export type Uppers = (folder: string) => readonly string[];

/** What the script has seen. What vanished meanwhile is left out: its folder's times have moved. */
export function scanIn(part: Part, host: Host, root: Buffer, excluded: Excluded, uppers: Uppers): Scan {
  const pathOf = pathsBelow(root);
  const closed = [...tokensIn(part('closed'))].map(pathOf);
  const stderr = part('errors').toString();
  insistOnlyGone(host, closed.length === 0 ? stderr : withoutDenied(stderr));
  const links = new Map<string, Buffer>();
  const linkTokens = [...tokensIn(part('links'))];
  for (let at = 0; at + 1 < linkTokens.length; at += 2)
    links.set(pathOf(linkTokens[at]!).toString('latin1'), linkTokens[at + 1]!);
  const records = [...tokensIn(part('entries'))].map(recordOf);
  const sorted = inOrder(records.map((record) => ({ record, path: pathOf(record.name) })));
  const clock = clockOf(part('clock').toString('latin1'), host);
  const tree = new Tree(root, excluded, links, mountsIn(part('mounts').toString('latin1')), uppers);
  for (const { path, record } of sorted) tree.add(path, record);
  const { entries, skipped, fileSystems } = tree;
  const unlistable = closed.filter((path) => tree.hasFolder(path));
  if (entries.length === 0 && skipped.length === 0) throw missing(root);
  return {
    ...{ entries, skipped, fileSystems, unlistable, clock },
    startedAtNs: clock.wallNs,
    endedAtNs: BigInt(part('ended').toString('latin1').trim()),
    processes: processesIn(part),
  };
}

/** find prints a folder as `root/.`, and what is in it as `root/./path`. */
function pathsBelow(root: Buffer): (name: Buffer) => Buffer {
  return (name) => {
    const rest = name.subarray(root.length);
    return Buffer.from(rest.length <= 2 ? rest.subarray(0, 0) : rest.subarray(3));
  };
}

/** Folders that are closed were told already. */
function withoutDenied(stderr: string): string {
  return stderr
    .split('\n')
    .filter((line) => codeOf(line) !== 'EACCES')
    .join('\n');
}

interface Found {
  readonly path: Buffer;
  readonly record: StatRecord;
}

/** Parents before what is in them, siblings by their bytes: as if the byte between two names came before all others. */
function inOrder(found: readonly Found[]): Found[] {
  const keyed = found.map((each) => ({ each, key: each.path.toString('latin1').replaceAll('/', '\0') }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : 1));
  return keyed.map(({ each }) => each);
}

class Tree {
  readonly entries: Entry[] = [];
  readonly skipped: Skipped[] = [];
  readonly fileSystems = new Map<bigint, FileSystem>();
  private readonly folders = new Set<string>();
  private readonly root: Buffer;
  private readonly excluded: Excluded;
  private readonly links: ReadonlyMap<string, Buffer>;
  private readonly mounts: readonly Mount[];
  private readonly uppers: Uppers;

  constructor(
    root: Buffer,
    excluded: Excluded,
    links: ReadonlyMap<string, Buffer>,
    mounts: readonly Mount[],
    uppers: Uppers,
  ) {
    this.root = root;
    this.excluded = excluded;
    this.links = links;
    this.mounts = mounts;
    this.uppers = uppers;
  }

  add(path: Buffer, record: StatRecord): void {
    const key = path.toString('latin1');
    // What lies in a folder that is left out is left out with it.
    if (key !== '' && (!this.folders.has(parentOf(key)) || this.excluded(path))) return;
    if (record.type === 'socket' || record.type === 'device') {
      this.skipped.push({ path, kind: record.type });
      return;
    }
    const entry = record.entry(path, this.links.get(key));
    if (entry === undefined || (entry.kind === 'symlink' && entry.target === undefined)) return;
    const fileSystem = this.fileSystems.get(entry.dev) ?? this.fileSystemAt(path, entry.dev);
    this.fileSystems.set(entry.dev, fileSystem);
    if (fileSystem.pseudo) {
      this.skipped.push({ path, kind: 'mount' });
      return;
    }
    this.entries.push(entry);
    if (entry.kind === 'directory') this.folders.add(key);
  }

  hasFolder(path: Buffer): boolean {
    return this.folders.has(path.toString('latin1'));
  }

  private fileSystemAt(path: Buffer, dev: bigint): FileSystem {
    const above = mountsAbove(this.mounts, absolute(this.root, path).toString('latin1'));
    const exact = above.find(({ numbers }) => numbers === numbersOf(dev));
    // Files of btrfs and its like have other device numbers than what is mounted.
    const [nearest] = majorOf(dev) === ANONYMOUS_MAJOR ? above : [];
    const mount = exact ?? (nearest && OWN_DEVICES.has(nearest.type) ? nearest : undefined);
    if (mount === undefined) return fileSystemOf('a file system that is not to be told');
    const upper = upperFolder(mount);
    return fileSystemOf(nameOfMounted(mount.type), upper === undefined ? [] : this.uppers(upper));
  }
}

const OWN_DEVICES: ReadonlySet<string> = new Set(['btrfs', 'overlay', 'bcachefs']);

function parentOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '';
}

/** /proc/uptime has hundredths of a second, cut off. */
const UPTIME_STEP_NS = 10_000_000n;

function clockOf(text: string, host: Host): ClockReading {
  const [, from, wall, to] = /^(\d+\.\d\d) (\d{15,}) (\d+\.\d\d)\s*$/.exec(text) ?? [];
  if (from === undefined || wall === undefined || to === undefined)
    throw new StasisError('files.failed', `The clocks of ${host.name} cannot be read.`, {
      hint: 'It takes date of coreutils, and /proc.',
      at: ['path'],
    });
  const uptimeNs = (seconds: string): bigint => BigInt(seconds.replace('.', '')) * UPTIME_STEP_NS;
  return {
    wallNs: BigInt(wall),
    monotonicFromNs: uptimeNs(from),
    monotonicToNs: uptimeNs(to) + UPTIME_STEP_NS,
  };
}
