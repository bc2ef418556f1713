import { readdirSync, readFileSync } from 'node:fs';
import { addShared, type Processes, type Unseen, unseenOf } from '../mappings.ts';
import { ifThere, isCode } from '../system-calls.ts';

/** Looks through the mappings of every process that may be seen. */
export function readProcesses(): Processes {
  const shared = new Map<bigint, Set<string>>();
  const unseen: Unseen[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^[0-9]+$/.test(name)) continue;
    const maps = readMaps(name);
    if (maps === 'hidden') {
      const identity = unseenOf(Number(name), statusOf);
      if (identity) unseen.push(identity);
    } else if (maps !== undefined) addShared(shared, maps);
  }
  return { shared, unseen };
}

function readMaps(pid: string): string | 'hidden' | undefined {
  try {
    return ifThere(() => readFileSync(`/proc/${pid}/maps`, 'latin1'));
  } catch (error) {
    if (isCode(error, 'EACCES', 'EPERM')) return 'hidden';
    throw error;
  }
}

function statusOf(pid: number): string | undefined {
  return ifThere(() => readFileSync(`/proc/${pid}/status`, 'latin1'));
}
