import { lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { throwIfAborted } from '../../../core/errors.ts';
import { type Entry, entryOf, kindOf } from '../entry.ts';
import type { FileSystem } from '../filesystem.ts';
import { absolute, childOf, missing, type Scan, type Skipped } from '../scan.ts';
import type { Excluded } from '../selection.ts';
import { ifThere, isCode } from '../system-calls.ts';
import { fileSystemAt } from './filesystem.ts';

/** A scan gives way to other work at least this often; leases of other members are kept alive meanwhile. */
const SLICE_MS = 8;
const NS_PER_MS = 1_000_000n;

/**
 * Looks at every entry of the tree once. Calls are synchronous, as they are many and short: 10,000 entries take
 * about 50 ms. What vanishes while it runs is left out: its folder's times have moved, so an equal scan cannot follow.
 */
export async function scanTree(root: Buffer, excluded: Excluded, signal: AbortSignal): Promise<Scan> {
  const entries: Entry[] = [];
  const skipped: Skipped[] = [];
  const unlistable: Buffer[] = [];
  const fileSystems = new Map<bigint, FileSystem>();
  const startedAtNs = wallNs();
  // A stack of paths yet to see; children are pushed in reverse, so that they come off in order.
  const stack: Buffer[] = [Buffer.alloc(0)];
  let sliceFrom = performance.now();
  for (let path = stack.pop(); path !== undefined; path = stack.pop()) {
    if (performance.now() - sliceFrom > SLICE_MS) {
      await turn();
      throwIfAborted(signal);
      sliceFrom = performance.now();
    }
    const seen = look(root, path);
    if (seen === undefined) continue;
    if (seen === 'socket' || seen === 'device') {
      skipped.push({ path, kind: seen });
      continue;
    }
    const fileSystem = fileSystems.get(seen.dev) ?? ifThere(() => fileSystemAt(absolute(root, path)));
    if (fileSystem === undefined) continue;
    fileSystems.set(seen.dev, fileSystem);
    if (fileSystem.pseudo) {
      skipped.push({ path, kind: 'mount' });
      continue;
    }
    entries.push(seen);
    if (seen.kind !== 'directory') continue;
    const names = list(root, path);
    if (names === undefined) unlistable.push(path);
    for (const name of names ?? []) {
      const child = childOf(path, name);
      if (!excluded(child)) stack.push(child);
    }
  }
  if (entries.length === 0 && skipped.length === 0) throw missing(root);
  return { entries, skipped, fileSystems, unlistable, startedAtNs, endedAtNs: wallNs() };
}

/** Not later than it is. */
function wallNs(): bigint {
  return BigInt(Date.now()) * NS_PER_MS;
}

/** The entry as it is now; undefined when it is gone. */
export function look(root: Buffer, path: Buffer): Entry | 'socket' | 'device' | undefined {
  const where = absolute(root, path);
  const stats = ifThere(() => lstatSync(where, { bigint: true }));
  if (stats === undefined) return undefined;
  const kind = kindOf(stats);
  if (kind === undefined) return stats.isSocket() ? 'socket' : 'device';
  if (kind !== 'symlink') return entryOf(path, kind, stats);
  const target = ifThere(() => readlinkSync(where, { encoding: 'buffer' }));
  return target && entryOf(path, kind, stats, target);
}

/** The names in a folder, last first; none when it is gone, undefined when it must not be read. */
function list(root: Buffer, path: Buffer): Buffer[] | undefined {
  try {
    const names = ifThere(() => readdirSync(absolute(root, path), { encoding: 'buffer' })) ?? [];
    return names.sort((a, b) => Buffer.compare(b, a));
  } catch (error) {
    if (isCode(error, 'EACCES', 'EPERM')) return undefined;
    throw error;
  }
}
