import { JOURNAL, NAMELESS } from '../sockets.ts';
import { changedEntry, type Images, splitEntries } from './image.ts';
import { Message, withBytes, withNumbers } from './wire.ts';

/** Of CRIU's fdinfo.proto: the field of a file that is a Unix socket. */
export const UNIX_SOCKET = 16;
/** Of CRIU's sk-unix.proto. */
const [INODE, TYPE, STATE, FLAGS, PEER, NAME, SHUTDOWN] = [2, 3, 4, 6, 8, 11, 12] as const;
/** Set on an entry that stands for a socket of somebody else (USK_EXTERN of CRIU's sk-unix.c). */
const EXTERNAL = 1;
/** Linux's SOCK_DGRAM; its state of one that is connected to nothing; and both ways shut, as the end of a peer leaves them. */
const [DATAGRAM, UNCONNECTED, BOTH] = [2, 7, 3] as const;

export interface OutsideSockets {
  /** What is at their other ends, by the name it has there, else by the one that the socket itself has. */
  readonly peers: readonly string[];
  /** Inodes of those that lead to the journal. */
  readonly journal: readonly number[];
  /** files.img as it has to be restored: all but those that lead to the journal have lost their other end. */
  readonly files: Uint8Array;
}

/** Unix sockets of a dump whose other ends were no part of it; undefined where there are none. */
export async function outsideSockets(images: Images): Promise<OutsideSockets | undefined> {
  const { head, entries } = await splitEntries(images, 'files.img');
  const peerOf = peersOutside(entries.map(({ message }) => message));
  const peers: string[] = [];
  const journal: number[] = [];
  const files = entries.map(({ message, bytes }) => {
    const socket = message.message(UNIX_SOCKET);
    const name = socket && peerOf(socket);
    if (name === undefined) return bytes;
    peers.push(name || unixName(socket!) || NAMELESS);
    if (name !== JOURNAL) return changedEntry(bytes, withoutPeer);
    journal.push(socket!.number(INODE));
    return bytes;
  });
  return peers.length === 0 ? undefined : { peers, journal, files: Buffer.concat([head, ...files]) };
}

function withoutPeer(file: Uint8Array): Uint8Array {
  const bytes = new Message(file).bytes(UNIX_SOCKET);
  const isDatagram = new Message(bytes).number(TYPE) === DATAGRAM;
  const alone: Record<number, number> = isDatagram ? { [STATE]: UNCONNECTED } : { [SHUTDOWN]: BOTH };
  return withBytes(file, UNIX_SOCKET, withNumbers(bytes, { [PEER]: 0, ...alone }));
}

/** What tells of a Unix socket the name of its other end, which may be empty, where that belongs to somebody else. */
export function peersOutside(files: readonly Message[]): (socket: Message) => string | undefined {
  const external = files
    .flatMap((file) => file.message(UNIX_SOCKET) ?? [])
    .filter((socket) => (socket.number(FLAGS) & EXTERNAL) !== 0);
  const names = new Map(external.map((socket) => [socket.number(INODE), unixName(socket)] as const));
  return (socket) => names.get(socket.number(PEER));
}

/** A path ends with a zero; a name without a file begins with one. */
export function unixName(socket: Message): string {
  return socket
    .text(NAME)
    .replace(/(?<=^\/.*)\0$/s, '')
    .replaceAll('\0', '@');
}
