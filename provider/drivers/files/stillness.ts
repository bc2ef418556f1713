import { createHash } from 'node:crypto';
import { sleep } from '../../core/wait.ts';
import type { TreeReader } from './access.ts';
import { type Entry, inodeOf, signatureOf } from './entry.ts';
import { type Mappings, mappingsOf } from './mappings.ts';
import { nameSome, unreadable } from './reading.ts';
import type { ClockReading, Scan } from './scan.ts';
import type { Excluded } from './selection.ts';

/** A look at the whole tree that tells whether an equal one proves that nothing changed in between. */
export interface Look {
  readonly scan: Scan;
  /** Digest of all that the scan saw. */
  readonly value: string;
  readonly mappings: Mappings;
  /** Why an equal value would be no proof. */
  readonly unprovable?: string;
}

/**
 * The kernel stamps times by a clock that moves once a tick, at most 10 ms (CONFIG_HZ=100). A change within the same
 * tick as an earlier one may leave the change time as it was, so a scan proves nothing of a file that had changed
 * less than this before it. Kernels from 6.13 on stamp finer once a time was looked at. It holds for them all the
 * same: a write stamps the time first and writes then, and is over within that long unless something stalls it.
 */
const TICK_NS = 10_000_000n;
/** File systems that store whole seconds (ext4 with 128-byte inodes), or two: no nanoseconds are ever seen there. */
const COARSE_NS = 2_000_000_000n;
const NS_PER_S = 1_000_000_000n;
/** How often a scan is repeated because something had just changed. */
const RESCANS = 4;

/**
 * Looks until nothing had changed within a tick of the look, or the bounds are reached. Equal to an earlier look that
 * proves something, one scan is enough: from the moment of that look every change would have shown in a time.
 */
export async function lookUntilSettled(
  access: TreeReader,
  root: Buffer,
  excluded: Excluded,
  signal: AbortSignal,
  earlier?: Look,
): Promise<Look> {
  const untilMs = Date.now() + access.settleMs;
  let scan = await scanListable(access, root, excluded, signal);
  if (earlier !== undefined && earlier.unprovable === undefined && digestOfScan(scan) === earlier.value)
    return { ...earlier, scan };
  for (let rescans = 0; ; rescans += 1) {
    const restless = latestToSettle(scan);
    // By the clock of the machine that has stamped the times, which ours need not agree with.
    const waitMs = Number(restless.settledAtNs - scan.endedAtNs) / 1e6 + 1;
    if (restless.settledAtNs < scan.startedAtNs || rescans === RESCANS || Date.now() + waitMs > untilMs)
      return judged(access, scan, restless, signal);
    if (waitMs > 0) await sleep(waitMs, signal);
    scan = await scanListable(access, root, excluded, signal);
  }
}

async function scanListable(
  access: TreeReader,
  root: Buffer,
  excluded: Excluded,
  signal: AbortSignal,
): Promise<Scan> {
  const scan = await access.scan(root, excluded, signal);
  if (scan.unlistable.length > 0) throw unreadable(scan.unlistable);
  return scan;
}

interface Restless {
  readonly entry: Entry | undefined;
  /** When changes will be told from the last one by their time, wall clock in nanoseconds. */
  readonly settledAtNs: bigint;
}

function latestToSettle(scan: Scan): Restless {
  let latest: Restless = { entry: undefined, settledAtNs: 0n };
  for (const entry of scan.entries) {
    const at = settledAtNs(entry, scan);
    if (at > latest.settledAtNs) latest = { entry, settledAtNs: at };
  }
  return latest;
}

/** A clock that is not ours may have been set back, unseen, by as much as its reading took. */
function settledAtNs(entry: Entry, { clock }: Scan): bigint {
  const doubtNs = clock === undefined ? 0n : clock.monotonicToNs - clock.monotonicFromNs;
  return entry.ctimeNs + (entry.ctimeNs % NS_PER_S === 0n ? COARSE_NS : TICK_NS) + doubtNs;
}

/** Whether a later change of this entry would be told from what this scan saw. */
export function isSettled(entry: Entry, scan: Scan): boolean {
  return settledAtNs(entry, scan) < scan.startedAtNs;
}

async function judged(
  access: TreeReader,
  scan: Scan,
  restless: Restless,
  signal: AbortSignal,
): Promise<Look> {
  const mappings = mappingsOf(scan.entries, scan.processes ?? (await access.processes(signal)));
  return { scan, value: digestOfScan(scan), mappings, unprovable: faultOf(scan, mappings, restless) };
}

function faultOf(scan: Scan, mappings: Mappings, restless: Restless): string | undefined {
  for (const { unprovable } of scan.fileSystems.values()) if (unprovable !== undefined) return unprovable;
  const mapped = scan.entries.filter((entry) => mappings.mapped.has(inodeOf(entry)));
  if (mapped.length > 0)
    return `a process has mapped ${nameSome(mapped.map(({ path }) => path))} for writing, which leaves no trace in its times`;
  if (mappings.hidden.length > 0)
    return `${mappings.hidden.length} processes of other users that could write here must not be looked at`;
  if (restless.entry !== undefined && restless.settledAtNs >= scan.startedAtNs)
    return `${nameSome([restless.entry.path])} had changed within one tick of the clock before it was looked at`;
  return undefined;
}

function digestOfScan(scan: Scan): string {
  const hash = createHash('sha256');
  for (const entry of scan.entries) {
    const target = entry.target ?? EMPTY;
    hash.update(`${entry.kind} ${signatureOf(entry)} ${entry.path.length} ${target.length} `);
    hash.update(entry.path);
    if (target.length > 0) hash.update(target);
  }
  return hash.digest('hex');
}

const EMPTY = Buffer.alloc(0);

/**
 * Tells whether the wall clock was set between two readings: then times stamped later need not be later. Compared
 * with the monotonic clock; slewing by at most 500 ppm (adjtimex(2)) is no step.
 */
export class StepDetector {
  private last: ClockReading | undefined;
  /** How many steps were seen so far; it is part of an epoch, so that no epochs on two sides of a step are equal. */
  private steps = 0;

  read(now: ClockReading): number {
    const { last } = this;
    if (last !== undefined) {
      const sinceNs = Number(now.monotonicToNs - last.monotonicFromNs);
      if (apartNs(last, now) > STEP_NS + SLEW * sinceNs) this.steps += 1;
    }
    this.last = now;
    return this.steps;
  }
}

/** By how much the two clocks have moved against each other at least, as each reading only bounds where they were. */
function apartNs(a: ClockReading, b: ClockReading): number {
  const least = (one: ClockReading): bigint => one.wallNs - one.monotonicToNs;
  const most = (one: ClockReading): bigint => one.wallNs - one.monotonicFromNs;
  return Math.max(Number(least(b) - most(a)), Number(least(a) - most(b)));
}

const STEP_NS = 5_000_000;
const SLEW = 0.001;
