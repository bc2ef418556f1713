import { constants } from 'node:fs';
import type { Context } from '../../core/context.ts';
import type { Host } from '../../core/host.ts';
import type { Capture } from '../../core/manifest.ts';
import type { Blobs } from '../../core/store.ts';
import { formatBytes } from '../../core/units.ts';
import { readPacked } from '../../runtime/dump.ts';
import type { TreeFacts } from '../../runtime/facts.ts';
import { readFiles } from '../../runtime/images/files.ts';
import { unixPeersIn } from '../../runtime/images/outside-ends.ts';
import { readTree } from '../../runtime/images/tree.ts';
import { isWithin } from '../../runtime/paths.ts';
import { CONTENT_VERSION, type ProcessContent } from './content.ts';
import { ownImages, type View } from './dump.ts';
import type { KeptFiles } from './kept-files.ts';
import { outsideOf, systemOf } from './outside.ts';
import type { ProcessSpec } from './spec.ts';

const { S_IFMT, S_IFREG } = constants;
/** What is not made up by the kernel. */
const ON_DISK = /^\/(?!proc\/|sys\/|dev\/|SYSV|memfd:|anon_hugepage)/;

export interface CopyInput {
  readonly spec: ProcessSpec;
  readonly host: Host;
  readonly context: Context;
  readonly facts: TreeFacts;
  readonly view: View;
  /** Where the dump was written. */
  readonly folder: string;
  readonly kept: KeptFiles;
  /** Of the host at the cut. */
  readonly uptimeS: number;
}

/** Streams the images into the store, and then the folders. */
export async function copyCapture(
  { spec, host, context, facts, view, folder, kept, uptimeS }: CopyInput,
  blobs: Blobs,
): Promise<{ content: ProcessContent; capture: Omit<Capture, 'epoch'> }> {
  const { signal } = context;
  const images = await ownImages(folder, view, host, signal);
  const described = await blobs.put(readPacked(folder, host, signal), { chunking: 'content' });
  const pages: ProcessContent['pages'] = [];
  for (const name of images.names.filter((one) => one.startsWith('pages-')))
    pages.push({ name, ...(await blobs.put(images.read(name), { chunking: 'pages-4k' })) });
  const { trees, memory } = await kept.copy(blobs, signal);
  const inMemory = new Set(memory?.files);

  const processes = await readTree(images);
  const files = [...(await readFiles(images)).values()];
  const unixPeers = await unixPeersIn(images);
  const sockets = files.flatMap(({ socket }) => (socket ? [socket] : []));
  const threads = processes.reduce((sum, process) => sum + process.threads.length, 0);
  const content: ProcessContent = {
    ...{ described, pages, trees, uptimeS: uptimeS + facts.aheadS },
    ...(memory ? { memory } : {}),
    root: processes[0]!.pid,
    highest: Math.max(...processes.flatMap(({ pid, threads }) => [pid, ...threads])),
    needs: files
      .filter(({ kind, shown, isDeleted }) => kind === 'file' && ON_DISK.test(shown) && !isDeleted)
      // Folders above those of `files` are made by the restore.
      .filter(({ sizeBytes, mode = 0 }) => sizeBytes !== undefined || (mode & S_IFMT) === S_IFREG)
      .filter(({ shown }) => !isWithin(shown, spec.files) && !inMemory.has(shown))
      .map(({ shown, sizeBytes, mode }) => ({
        path: shown,
        ...(sizeBytes === undefined ? {} : { sizeBytes }),
        ...(mode === undefined ? {} : { mode }),
      })),
    addresses: [...new Set(sockets.map(({ local }) => local.slice(0, local.lastIndexOf(':'))))],
    connections: [
      ...new Set(
        sockets
          .filter(({ transport, state }) => transport === 'tcp' && state !== 'listening')
          .map(({ local, peer }) => `${portOf(local)}.${portOf(peer)}`),
      ),
    ],
  };
  const count = `${processes.length} ${processes.length === 1 ? 'process' : 'processes'}`;
  const capture = {
    contentVersion: CONTENT_VERSION,
    content,
    sizeBytes: described.sizeBytes + sum(pages) + sum(trees) + (memory?.sizeBytes ?? 0),
    summary: `${count}, ${threads} threads, ${formatBytes(sum(pages))} of memory`,
    coverage: {
      layers: layersOf(trees.length),
      outside: outsideOf(facts, [...(spec.files ?? []), ...inMemory], unixPeers),
    },
    system: systemOf(facts),
  };
  return { content, capture };
}

function portOf(address: string): string {
  return address.slice(address.lastIndexOf(':') + 1);
}

function layersOf(trees: number): ('runtime' | 'data')[] {
  return trees > 0 ? ['runtime', 'data'] : ['runtime'];
}

function sum(blobs: readonly { readonly sizeBytes: number }[]): number {
  return blobs.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
}
