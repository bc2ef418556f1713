import { type Images, readEntries } from './image.ts';

/** One process of a dump, by its number within the namespace that was dumped. */
export interface DumpedProcess {
  readonly pid: number;
  readonly ppid: number;
  readonly group: number;
  readonly session: number;
  readonly threads: readonly number[];
}

/** pstree.img: one entry a process, parents first. */
export async function readTree(images: Images): Promise<DumpedProcess[]> {
  const entries = await readEntries(images, 'pstree.img');
  return entries.map((entry) => {
    const pid = entry.number(1);
    // Of a process that has ended and was not waited for CRIU writes a number of a thread that there never was.
    const threads = entry.numbers(5).filter((thread) => images.names.includes(`core-${thread}.img`));
    return {
      pid,
      ...{ ppid: entry.number(2), group: entry.number(3), session: entry.number(4) },
      threads: threads.length === 0 ? [pid] : threads.toSorted((a, b) => a - b),
    };
  });
}
