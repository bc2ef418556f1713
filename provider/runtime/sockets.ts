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

/** Paths that Unix sockets of the tree are bound to: of /proc/net/unix the seventh column is the inode. */
export function boundPathsOf(table: string, inodes: ReadonlySet<string>): string[] {
  const paths = table.split('\n').flatMap((line) => {
    const [, , , , , , inode = '', ...path] = line.split(/\s+/);
    const bound = path.join(' ');
    return inodes.has(inode) && bound.startsWith('/') ? [bound] : [];
  });
  return [...new Set(paths)].sort();
}

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
