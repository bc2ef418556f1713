/** The names that a machine has for owners: for people only, as numbers decide. */
export interface OwnerNames {
  user(uid: number): string;
  group(gid: number): string;
}

export const USERS_FILE = '/etc/passwd';
export const GROUPS_FILE = '/etc/group';

/** By what passwd(5) and group(5) say; directories over the network are not asked. */
export function ownerNames(usersText: string, groupsText: string): OwnerNames {
  const [users, groups] = [namesIn(usersText), namesIn(groupsText)];
  return {
    user: (uid) => users.get(uid) ?? String(uid),
    group: (gid) => groups.get(gid) ?? String(gid),
  };
}

function namesIn(text: string): Map<number, string> {
  const names = new Map<number, string>();
  for (const line of text.split('\n')) {
    const [name, , id] = line.split(':');
    if (name && id && !names.has(Number(id))) names.set(Number(id), name);
  }
  return names;
}
