import { readdir, readFile } from 'node:fs/promises';

export interface Process {
  readonly parent: number;
  /** Its arguments, as /proc has them: NUL after each. */
  readonly command: string;
}

/** Whatever a process of this machine has started, and what that has started, by number. */
export async function processesBelow(above: number): Promise<ReadonlyMap<number, Process>> {
  const all = await processes();
  const isBelow = (pid: number): boolean => {
    const parent = all.get(pid)?.parent;
    return parent !== undefined && (parent === above || isBelow(parent));
  };
  return new Map([...all].filter(([pid]) => isBelow(pid)));
}

async function processes(): Promise<ReadonlyMap<number, Process>> {
  const found = new Map<number, Process>();
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    // After the program's name, which is in brackets and may hold anything: state, parent, …
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    found.set(Number(pid), { parent, command });
  }
  return found;
}
