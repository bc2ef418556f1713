import { readFileSync } from 'node:fs';
import { ifThere } from './system-calls.ts';

/** The names that this machine has for owners: for people only, as numbers decide. */
export interface OwnerNames {
  user(uid: number): string;
  group(gid: number): string;
}

/** passwd(5) and group(5); directories over the network are not asked. */
export function ownerNames(): OwnerNames {
  const [users, groups] = ['/etc/passwd', '/etc/group'].map(namesIn);
  return {
    user: (uid) => users?.get(uid) ?? String(uid),
    group: (gid) => groups?.get(gid) ?? String(gid),
  };
}

function namesIn(file: string): Map<number, string> {
  const names = new Map<number, string>();
  for (const line of (ifThere(() => readFileSync(file, 'utf8')) ?? '').split('\n')) {
    const [name, , id] = line.split(':');
    if (name && id && !names.has(Number(id))) names.set(Number(id), name);
  }
  return names;
}
