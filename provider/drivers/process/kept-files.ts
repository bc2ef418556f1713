import type { FingerprintEntry } from '../../core/fingerprint.ts';
import type { Host } from '../../core/host.ts';
import type { Blobs } from '../../core/store.ts';
import { runScript } from '../../runtime/machine.ts';
import {
  besideOf,
  copyTree,
  dropStale,
  dropTree,
  fingerprintTree,
  keepTree,
  type TreeCopy,
} from '../../runtime/trees.ts';
import type { ProcessContent } from './content.ts';
import { type MemoryFiles, relative } from './memory-files.ts';

const COPY_MS = 600_000;

/** Folders with the owners and modes that the tree's have: ROOT TARGET FOLDER... */
const MAKE_FOLDERS = `
root=$1 target=$2; shift 2
mkdir -p -m 700 -- "$target"
for folder in "$@"; do
  mkdir -p -- "$target$folder"
  chown --reference "$root$folder" -- "$target$folder" && chmod --reference "$root$folder" -- "$target$folder" || exit 1
done
`;
/** ROOT TARGET FILE...: names as of the root. */
const KEEP_FILES = `target=$2; cd -- "$1/" && shift 2 && exec cp -a --sparse=always --parents -t "$target" -- "$@"`;

/** Where a tree's declared folders, and what it has by name in memory, are copied at the cut. */
export interface KeptPlaces {
  /** Put before every path: how the host reaches what the tree sees. */
  readonly root: string;
  readonly folders: readonly string[];
  readonly memory: MemoryFiles;
}

/** The files of a tree as they were at the last cut. */
export class KeptFiles {
  private readonly places: KeptPlaces;
  private readonly host: Host;
  private trees: readonly TreeCopy[] = [];
  private inMemory: TreeCopy | undefined;

  constructor(places: KeptPlaces, host: Host) {
    this.places = places;
    this.host = host;
  }

  /**
   * What can be done before the freeze: what the last cut kept goes, and so does what a capture that died has left.
   * `memoryFolder` is the capture's own, with a folder for each round.
   */
  async prepare(memoryFolder: string, round: number, signal: AbortSignal): Promise<void> {
    const { root, folders, memory } = this.places;
    await this.drop();
    const trees = folders.map((path) => ({ path, from: `${root}${path}` }));
    if (trees.length > 0)
      await dropStale(
        trees.map(({ from }) => from),
        this.host,
        signal,
      );
    this.trees = trees.map((tree) => ({ ...tree, copy: besideOf(tree.from, memoryFolder, round) }));
    this.inMemory = { path: '', from: root, copy: `${memoryFolder}/${round}/memory` };
    if (memory.folders.length === 0) return;
    await runScript(this.host, MAKE_FOLDERS, [root, this.inMemory.copy, ...memory.folders], { signal });
  }

  /** Within the freeze; all at once. */
  async keep(signal: AbortSignal): Promise<void> {
    const { root, memory } = this.places;
    const kept = this.trees.map((tree) => keepTree(tree, this.host, signal));
    if (memory.files.length > 0) {
      const args = [root, this.inMemory!.copy, ...memory.files.map(relative)];
      kept.push(runScript(this.host, KEEP_FILES, args, { signal, timeoutMs: COPY_MS }));
    }
    const failed = (await Promise.allSettled(kept)).find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  }

  async copy(blobs: Blobs, signal: AbortSignal): Promise<Pick<ProcessContent, 'trees' | 'memory'>> {
    const trees: ProcessContent['trees'] = [];
    for (const tree of this.trees)
      trees.push({ path: tree.path, ...(await copyTree(tree, blobs, this.host, signal)) });
    const { files, folders } = this.places.memory;
    if (folders.length === 0) return { trees };
    const archive = await copyTree(this.inMemory!, blobs, this.host, signal);
    return { trees, memory: { files: [...files], folders: [...folders], ...archive } };
  }

  async fingerprint(signal: AbortSignal): Promise<FingerprintEntry[]> {
    const trees = this.trees.map(({ path, copy }) => fingerprintTree(path, copy, this.host, signal));
    const found = (await Promise.all(trees)).flat();
    const { files, folders } = this.places.memory;
    if (folders.length === 0) return found;
    // Folders above those are the host's own.
    const named = new Set([...files, ...folders].map((path) => `file${path}`));
    const memory = await fingerprintTree('', this.inMemory!.copy, this.host, signal);
    return [...found, ...memory.filter(({ object }) => named.has(object))];
  }

  /** Not cut short by anybody's cancel. Idempotent. */
  async drop(): Promise<void> {
    const { signal } = new AbortController();
    for (const tree of [...this.trees, ...(this.inMemory ? [this.inMemory] : [])])
      await dropTree(tree, this.host, signal);
    this.trees = [];
    this.inMemory = undefined;
  }
}
