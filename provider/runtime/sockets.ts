import type { OpenFile } from './facts.ts';

/** An established TCP connection or a listening socket that a process of the tree has open. */
export interface OpenSocket {
  readonly inode: string;
  readonly local: string;
  readonly peer: string;
  readonly listening: boolean;
  /** Of a listening one: connections that it has not accepted yet. */
  readonly waiting: number;
}

const ESTABLISHED = '01';
const LISTENING = '0A';

/**
 * Those of /proc/net/tcp (and tcp6) that are open. Addresses are words in the machine's own order, in hexadecimal; of a
 * listening socket the receive queue counts connections (tcp_diag and get_tcp4_sock give sk_ack_backlog there).
 */
export function tcpSocketsOf(table: string, inodes: ReadonlySet<string>): OpenSocket[] {
  return table.split('\n').flatMap((line) => {
    const [, local = '', peer = '', state = '', queues = '', , , , , inode = ''] = line.trim().split(/\s+/);
    if ((state !== ESTABLISHED && state !== LISTENING) || !inodes.has(inode)) return [];
    const listening = state === LISTENING;
    const waiting = listening ? Number.parseInt(queues.split(':')[1] ?? '0', 16) : 0;
    return [{ inode, local: addressOf(local), peer: addressOf(peer), listening, waiting }];
  });
}

/** What each Unix socket of the tree is bound to, if to anything: of /proc/net/unix the seventh column is the inode. */
export function unixSocketsOf(table: string, inodes: ReadonlySet<string>): { readonly bound: string }[] {
  return table.split('\n').flatMap((line) => {
    const [, , , , , , inode = '', ...path] = line.split(/\s+/);
    return inodes.has(inode) ? [{ bound: path.join(' ') }] : [];
  });
}

/** The other end of a Unix socket of the tree that lies outside of it. */
export interface UnixPeer {
  /** What it is bound to there, or else the name that the tree's own end has. */
  readonly name: string;
  readonly isDatagram: boolean;
}

/**
 * Of a line of `ss -Hxan` the first word is the kind, the last one the inode of the other end, the third from there the
 * socket's own, and what is between the fourth word and that its name.
 */
export function unixPeersOf(table: string, inodes: ReadonlySet<string>): UnixPeer[] {
  const sockets = table.split('\n').flatMap((line) => {
    const words = line.trim().split(/\s+/);
    const [inode = '', , peer = ''] = words.slice(-3);
    const name = words.slice(4, -3).join(' ').replace(/^\*$/, '');
    return words.length < 7 ? [] : [{ inode, peer, name, isDatagram: words[0] === 'u_dgr' }];
  });
  const names = new Map(sockets.map(({ inode, name }) => [inode, name]));
  const outside = sockets.filter(({ inode, peer }) => inodes.has(inode) && peer !== '0' && !inodes.has(peer));
  return outside.map(({ peer, name, isDatagram }) => ({
    name: names.get(peer) || name || NAMELESS,
    isDatagram,
  }));
}

/** Where services send what they write to their standard output: the journal's socket (systemd-journald.service(8)). */
export const JOURNAL = '/run/systemd/journal/stdout';

/** What a Unix socket is called that is bound to nothing. */
export const NAMELESS = 'one without a name';

export function socketInodesOf(open: readonly OpenFile[]): ReadonlySet<string> {
  return new Set(open.flatMap(({ target }) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []));
}

function addressOf(text: string): string {
  const [words = '', port = ''] = text.split(':');
  const bytes = (words.match(/.{8}/g) ?? []).flatMap((word) => [...Buffer.from(word, 'hex').reverse()]);
  const v4 = bytes.length === 4 ? bytes : isMapped(bytes) ? bytes.slice(12) : undefined;
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((bytes[2 * index]! << 8) | bytes[2 * index + 1]!).toString(16),
  );
  return `${v4 ? v4.join('.') : `[${groups.join(':')}]`}:${Number.parseInt(port, 16)}`;
}

function isMapped(bytes: readonly number[]): boolean {
  return bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255;
}
