import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { cacheFolder } from '../setup/cache.ts';

const ROOT = join(import.meta.dirname, '../..');

/** How long each test file took when it last ran, in ms, by its path below the checkout's root. */
export type DurationsMs = Readonly<Record<string, number>>;

/** What we read of a file in jest's report. */
export interface TimedFile {
  /** Absolute path. */
  readonly name: string;
  /** By the wall clock, in ms; 0 where the file could not be loaded. */
  readonly startTime: number;
  readonly endTime: number;
}

/** In the user's cache folder, so that a checkout that is made anew begins well too. */
function file(): string {
  return join(cacheFolder(), 'tests', 'durations.json');
}

/** A file's name in the record: the same in every checkout. */
export function recordName(path: string): string {
  return relative(ROOT, path).split(sep).join('/');
}

export async function readDurations(): Promise<DurationsMs> {
  const text = await readFile(file(), 'utf8').catch(() => '{}');
  try {
    return JSON.parse(text) as DurationsMs;
  } catch {
    // It is only a record: without it the order is a guess.
    return {};
  }
}

/** Keeps what this run has seen; files that it did not run stay as they were. */
export async function recordDurations(seen: DurationsMs): Promise<void> {
  if (Object.keys(seen).length === 0) return;
  const all = { ...(await readDurations()), ...seen };
  await mkdir(join(file(), '..'), { recursive: true });
  const unfinished = `${file()}.${process.pid}`;
  await writeFile(unfinished, `${JSON.stringify(all, undefined, 1)}\n`);
  await rename(unfinished, file());
}

export function durationsOf(files: readonly TimedFile[]): DurationsMs {
  const timed = files.filter(({ startTime, endTime }) => startTime > 0 && endTime >= startTime);
  return Object.fromEntries(
    timed.map(({ name, startTime, endTime }) => [recordName(name), endTime - startTime]),
  );
}

/** The slowest files, one a line, with all that was spent in all of them. */
export function slowestOf(durations: DurationsMs, count: number): readonly string[] {
  const sorted = Object.entries(durations).toSorted(([, a], [, b]) => b - a);
  return sorted.slice(0, count).map(([name, ms]) => `${(ms / 1_000).toFixed(1).padStart(7)} s  ${name}`);
}

/** Folders whose files start engines and servers, the slowest first: what has never run here is taken in this order. */
const FOLDERS = ['test/conformance/', 'test/e2e/', 'test/proof/', 'test/lab/', 'provider/drivers/'] as const;

/**
 * The order that keeps all workers busy to the end: the longest first. What has never run here comes before, since
 * nothing worse can happen than that a long file is begun last.
 */
export function longestFirst<T extends { readonly path: string }>(
  tests: readonly T[],
  durations: DurationsMs,
): T[] {
  const rankOf = (name: string): number => {
    const folder = FOLDERS.findIndex((prefix) => name.startsWith(prefix));
    return folder === -1 ? FOLDERS.length : folder;
  };
  const known = tests.map((test) => {
    const name = recordName(test.path);
    return { test, name, ms: durations[name] ?? Number.POSITIVE_INFINITY };
  });
  // Infinity less Infinity is no number: two unknown ones go by their folders.
  return known
    .toSorted((a, b) => (a.ms === b.ms ? rankOf(a.name) - rankOf(b.name) : b.ms - a.ms))
    .map(({ test }) => test);
}
