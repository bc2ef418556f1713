import type { TreeFacts } from './facts.ts';

/** A dump takes about 60 ms, 0.9 ms a MB of memory and 20 ms a further process (CRIU 4.2.1, two cores). */
const DUMP_MS = 60;
const DUMP_MS_PER_MB = 0.9;
const DUMP_MS_PER_PROCESS = 20;
/** What the images hold besides pages, and what the tree may grow until the dump. */
const SLACK_BYTES = 16 * 1024 * 1024;
const SLACK_FACTOR = 1.25;
/** A folder that has to be copied while all is frozen: a disk of today, in MB a second. */
const COPY_MB_PER_S = 400;

/** What a dump holds: memory, and deleted files that are still open. */
export function memoryBytesOf({ processes }: TreeFacts): number {
  const ghosts = processes.flatMap(({ open }) =>
    open.filter(({ target, type }) => type.startsWith('regular') && target.endsWith(' (deleted)')),
  );
  return [
    ...processes.map(({ memoryBytes }) => memoryBytes),
    ...ghosts.map(({ sizeBytes }) => sizeBytes),
  ].reduce((sum, bytes) => sum + bytes, 0);
}

/** How long a dump of this tree takes, in milliseconds. */
export function dumpMsOf(facts: TreeFacts): number {
  const further = Math.max(0, facts.processes.length - 1);
  return DUMP_MS + (memoryBytesOf(facts) / 1e6) * DUMP_MS_PER_MB + further * DUMP_MS_PER_PROCESS;
}

/** How much room a dump of this tree may take, with so much beside it. */
export function dumpBytesOf(facts: TreeFacts, besideBytes = 0): number {
  return SLACK_BYTES + SLACK_FACTOR * (memoryBytesOf(facts) + besideBytes);
}

/** How long a plain copy of so much takes, in milliseconds. */
export function copyMsOf(sizeBytes: number): number {
  return sizeBytes / (COPY_MB_PER_S * 1e3);
}
