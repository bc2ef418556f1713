import { JOURNAL, NAMELESS } from '../sockets.ts';
import { changedEntry, type Images, splitEntries } from './image.ts';
import { Message, messageOf, withBytes, withNumbers } from './wire.ts';

/** Of CRIU's fdinfo.proto: the fields of a file that is a Unix socket, or an end of a pipe. */
export const [UNIX_SOCKET, PIPE] = [16, 18] as const;
/** Of CRIU's sk-unix.proto. */
const [INODE, TYPE, STATE, FLAGS, PEER, NAME, SHUTDOWN] = [2, 3, 4, 6, 8, 11, 12] as const;
/** Of CRIU's pipe.proto: the number that both ends share, and how this one was opened. */
const [PIPE_ID, PIPE_FLAGS] = [2, 3] as const;
const [O_ACCMODE, O_WRONLY] = [0o3, 0o1] as const;
/** Set on an entry that stands for a socket of somebody else (USK_EXTERN of CRIU's sk-unix.c). */
const EXTERNAL = 1;
/** Linux's SOCK_DGRAM; its state of one that is connected to nothing; and both ways shut, as the end of a peer leaves them. */
const [DATAGRAM, UNCONNECTED, BOTH] = [2, 7, 3] as const;

/** Which files of a dump have their other ends outside of it. */
export interface Ends {
  /** Of a Unix socket whose other end belongs to somebody else, the name of that end, which may be empty. */
  peerOf(socket: Message): string | undefined;
  /** Whether somebody has to take what is written here: a line to nobody would end the writer (SIGPIPE). */
  isLog(file: Message): boolean;
}

export function endsOf(files: readonly Message[]): Ends {
  const sockets = files.flatMap((file) => file.message(UNIX_SOCKET) ?? []);
  const external = sockets.filter((socket) => (socket.number(FLAGS) & EXTERNAL) !== 0);
  const names = new Map(external.map((socket) => [socket.number(INODE), unixName(socket)] as const));
  const pipes = files.flatMap((file) => file.message(PIPE) ?? []);
  const read = new Set(pipes.filter((pipe) => !isWritten(pipe)).map((pipe) => pipe.number(PIPE_ID)));
  const peerOf = (socket: Message): string | undefined => names.get(socket.number(PEER));
  return {
    peerOf,
    isLog: (file) => {
      const [socket, pipe] = [file.message(UNIX_SOCKET), file.message(PIPE)];
      if (socket) return peerOf(socket) === JOURNAL;
      return pipe !== undefined && !read.has(pipe.number(PIPE_ID));
    },
  };
}

function isWritten(pipe: Message): boolean {
  return (pipe.number(PIPE_FLAGS) & O_ACCMODE) === O_WRONLY;
}

export interface OutsideEnds {
  /** What is at the other ends of Unix sockets, by the name it has there, else by the one that the socket itself has. */
  readonly unixPeers: readonly string[];
  /** Whether something has to be opened for it to write to (`--inherit-fd fd[N]:LOG_NAME`). */
  readonly hasLog: boolean;
  /** Images as they have to be restored, by their names: sockets without their other ends, and logs that are to be opened. */
  readonly rewritten: ReadonlyMap<string, Uint8Array>;
}

/** What of a dump has its other end outside of it. */
export async function outsideEnds(images: Images): Promise<OutsideEnds> {
  const { head, entries } = await splitEntries(images, 'files.img');
  const ends = endsOf(entries.map(({ message }) => message));
  const unixPeers: string[] = [];
  const logs = new Set<number>();
  const files = entries.map(({ message, bytes }) => {
    const socket = message.message(UNIX_SOCKET);
    const name = socket && ends.peerOf(socket);
    if (name !== undefined) unixPeers.push(name || unixName(socket!) || NAMELESS);
    if (!ends.isLog(message)) return name === undefined ? bytes : changedEntry(bytes, withoutPeer);
    logs.add(message.number(FILE_ID));
    return changedEntry(bytes, asLog);
  });
  const rewritten = new Map<string, Uint8Array>();
  if (unixPeers.length + logs.size > 0) rewritten.set('files.img', Buffer.concat([head, ...files]));
  for (const name of images.names.filter((one) => logs.size > 0 && /^fdinfo-\d+\.img$/.test(one)))
    rewritten.set(name, await withLogs(images, name, logs));
  return { unixPeers, hasLog: logs.size > 0, rewritten };
}

function withoutPeer(file: Uint8Array): Uint8Array {
  const bytes = new Message(file).bytes(UNIX_SOCKET);
  const isDatagram = new Message(bytes).number(TYPE) === DATAGRAM;
  const alone: Record<number, number> = isDatagram ? { [STATE]: UNCONNECTED } : { [SHUTDOWN]: BOTH };
  return withBytes(file, UNIX_SOCKET, withNumbers(bytes, { [PEER]: 0, ...alone }));
}

/** No socket's own: what CRIU knows the file by that takes the place of all logs. */
const LOG_INODE = 0x7fffffff;
export const LOG_NAME = `socket:[${LOG_INODE}]`;
/** Of CRIU's fdinfo.proto: a file's type and number, of a descriptor the type of its file, and the type of a Unix socket. */
const [FILE_TYPE, FILE_ID, DESCRIPTOR_TYPE] = [1, 2, 3] as const;
const UNIX_SOCKET_TYPE = 5;
/** Who is told of its events (fown), of a socket and of a pipe. */
const [SOCKET_OWNER, PIPE_OWNER] = [9, 4] as const;
/** Of CRIU's sk-opts.proto: two sizes and two limits of time, which have to be there. */
const NO_OPTIONS = messageOf({ 1: 0, 2: 0, 3: 0, 4: 0, 5: 0, 6: 0 });
const [STREAM, O_RDWR] = [1, 2] as const;

/**
 * A file that CRIU is given, open, when it restores. It is said to be a Unix socket, as of others CRIU opens again what it is
 * given, which cannot be done to a socket; what is given may be anything.
 */
function asLog(file: Uint8Array): Uint8Array {
  const message = new Message(file);
  const id = message.number(FILE_ID);
  const owner = message.message(UNIX_SOCKET)?.bytes(SOCKET_OWNER) ?? message.message(PIPE)!.bytes(PIPE_OWNER);
  const socket = messageOf({
    ...{
      1: id,
      [INODE]: LOG_INODE,
      [TYPE]: STREAM,
      [STATE]: UNCONNECTED,
      5: O_RDWR,
      [FLAGS]: 0,
      7: 0,
      [PEER]: 0,
    },
    ...{ [SOCKET_OWNER]: owner, 10: NO_OPTIONS, [NAME]: new Uint8Array() },
  });
  return messageOf({ [FILE_TYPE]: UNIX_SOCKET_TYPE, [FILE_ID]: id, [UNIX_SOCKET]: socket });
}

/** Descriptors of one table, which name the type of their file as well. */
async function withLogs(images: Images, name: string, logs: ReadonlySet<number>): Promise<Uint8Array> {
  const { head, entries } = await splitEntries(images, name);
  const retyped = (message: Uint8Array): Uint8Array =>
    withNumbers(message, { [DESCRIPTOR_TYPE]: UNIX_SOCKET_TYPE });
  const descriptors = entries.map(({ message, bytes }) =>
    logs.has(message.number(1)) ? changedEntry(bytes, retyped) : bytes,
  );
  return Buffer.concat([head, ...descriptors]);
}

/** A path ends with a zero; a name without a file begins with one. */
export function unixName(socket: Message): string {
  return socket
    .text(NAME)
    .replace(/(?<=^\/.*)\0$/s, '')
    .replaceAll('\0', '@');
}
