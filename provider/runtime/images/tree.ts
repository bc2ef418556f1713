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
  return entries.map((entry) => ({
    pid: entry.number(1),
    ppid: entry.number(2),
    group: entry.number(3),
    session: entry.number(4),
    threads: entry.numbers(5).toSorted((a, b) => a - b),
  }));
}
