import type { TreeFacts } from './facts.ts';

/** How many names are listed; the rest is counted. */
const NAMED = 3;

/** The first of many names, and how many more there are. */
export function listed(names: readonly string[]): string {
  const more = names.length - NAMED;
  return names.slice(0, NAMED).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** Addresses that these processes are connected to and that are none of their own. */
export function peersOf({ sockets }: TreeFacts): string[] {
  const own = new Set(sockets.map(({ local }) => local));
  return sockets.filter(({ listening, peer }) => !listening && !own.has(peer)).map(({ peer }) => peer);
}

export const WAITING = 'connections that were not accepted yet, and are reset';

/** How many connections wait at which listening socket. */
export function waitingOf({ sockets }: TreeFacts): string[] {
  return sockets
    .filter(({ listening, waiting }) => listening && waiting > 0)
    .map(({ local, waiting }) => `${waiting} at ${local}`);
}
