import type { FingerprintEntry } from '../../core/fingerprint.ts';
import { digestOf } from '../../core/fingerprint-digest.ts';
import { type Images, readEntries, splitEntries } from './image.ts';

/** Of ipcns-shm: a description (its key 1, owner 2 and 3, mode 6 and number 7), and the size. */
const DESCRIPTION = 1;
const SIZE = 2;
const NUMBER = 7;

const SEGMENTS = /^ipcns-shm-\d+\.img$/;

/** Segments of System V shared memory by their numbers; what they hold is shared memory like any other. */
export async function fingerprintSegments(images: Images): Promise<FingerprintEntry[]> {
  const names = images.names.filter((name) => SEGMENTS.test(name));
  const entries = (await Promise.all(names.map((name) => readEntries(images, name)))).flat();
  return entries.map((entry) => {
    const about = entry.message(DESCRIPTION);
    const told = [1, 2, 3, 6].map((field) => about?.number(field) ?? 0);
    return {
      object: `system-v/${about?.number(NUMBER) ?? 0}`,
      digest: digestOf(...told, entry.big(SIZE)),
      facts: { bytes: entry.number(SIZE) },
    };
  });
}

/** What a dump of a namespace that the tree shares with its host has to lose: all that is not the tree's. */
export interface Strangers {
  /** Images as they have to be instead. */
  readonly rewritten: ReadonlyMap<string, Uint8Array>;
  readonly removed: readonly string[];
}

/**
 * CRIU dumps an IPC namespace whole. Of the host's own only the segments that the tree has attached stay; semaphores
 * and queues cannot be told apart, and none of them stays. (They follow their entries in the image, so it is cut off
 * after its head.)
 */
export async function strangersIn(images: Images, own: ReadonlySet<string>): Promise<Strangers> {
  const rewritten = new Map<string, Uint8Array>();
  const removed: string[] = [];
  for (const name of images.names) {
    if (/^ipcns-(sem|msg)-\d+\.img$/.test(name))
      rewritten.set(name, (await splitEntries(images, name, 'head')).head);
    if (!SEGMENTS.test(name)) continue;
    const { head, entries } = await splitEntries(images, name);
    const numberOf = (entry: (typeof entries)[number]): string =>
      String(entry.message.message(DESCRIPTION)?.number(NUMBER) ?? 0);
    const kept = entries.filter((entry) => own.has(numberOf(entry)));
    rewritten.set(name, Buffer.concat([head, ...kept.map(({ bytes }) => bytes)]));
    for (const entry of entries)
      if (!kept.includes(entry)) removed.push(...(await pagesOf(images, numberOf(entry))));
  }
  return { rewritten, removed };
}

async function pagesOf(images: Images, number: string): Promise<string[]> {
  const map = `pagemap-shmem-${number}.img`;
  if (!images.names.includes(map)) return [];
  const [head] = await readEntries(images, map);
  return [map, `pages-${head?.number(1) ?? 0}.img`];
}
