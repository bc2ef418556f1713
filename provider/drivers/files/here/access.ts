import { accessSync, constants } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { throwIfAborted } from '../../../core/errors.ts';
import type { Host } from '../../../core/host.ts';
import type { Care, TreeAccess, TreeReader, WholeFile } from '../access.ts';
import { type Entry, isSparse } from '../entry.ts';
import { digestOfStream } from '../fingerprint.ts';
import { Changed } from '../reading.ts';
import { absolute } from '../scan.ts';
import { isCode } from '../system-calls.ts';
import { readProcesses } from './processes.ts';
import { readPieces, readWhole } from './reader.ts';
import { look, scanTree } from './scan.ts';
import { localSteps } from './steps.ts';

const SETTLE_MS = 60;
/** Calls are synchronous, as they are many and short; others get their turn this often. */
const SLICE_MS = 8;

/** By system calls, on the machine that we are on. */
export function localAccess(host: Host): TreeAccess {
  return { ...localReader, ...localSteps, host, missingTools: async () => [] };
}

const localReader: TreeReader = {
  settleMs: SETTLE_MS,
  scan: scanTree,
  keepOpen: () => {},
  close: () => {},
  processes: async () => readProcesses(),
  look: lookAtAll,
  wholes,
  pieces: (root, entry, care, done) => readPieces(root, entry, care, done),
  digests: async (root) => async (entry) => {
    try {
      return await digestOfStream(readPieces(root, entry, 'moving'), isSparse(entry));
    } catch (error) {
      if (error instanceof Changed) return undefined;
      throw error;
    }
  },
  closed: async (root, entries) =>
    entries.filter((entry) => !mayRead(absolute(root, entry.path))).map(({ path }) => path),
};

async function lookAtAll(
  root: Buffer,
  entries: readonly Entry[],
  signal: AbortSignal,
): Promise<(Entry | undefined)[]> {
  const pause = pausing(signal);
  const seen: (Entry | undefined)[] = [];
  for (const { path } of entries) {
    const now = look(root, path);
    seen.push(typeof now === 'object' ? now : undefined);
    await pause();
  }
  return seen;
}

async function* wholes(
  root: Buffer,
  entries: readonly Entry[],
  care: Care,
  signal: AbortSignal,
): AsyncGenerator<WholeFile | undefined> {
  const pause = pausing(signal);
  for (const entry of entries) {
    yield readWhole(root, entry, care);
    await pause();
  }
}

/** Gives others their turn where a slice is over. */
function pausing(signal: AbortSignal): () => Promise<void> {
  let sliceFrom = performance.now();
  return async () => {
    throwIfAborted(signal);
    if (performance.now() - sliceFrom < SLICE_MS) return;
    await turn();
    sliceFrom = performance.now();
  };
}

/** What has gone since it was seen hinders nobody. */
function mayRead(path: Buffer): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch (error) {
    return !isCode(error, 'EACCES', 'EPERM');
  }
}
