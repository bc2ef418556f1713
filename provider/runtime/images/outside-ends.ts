import { JOURNAL, NAMELESS } from '../sockets.ts';
import { changedEntry, type Images, readEntries, splitEntries } from './image.ts';
import {
  DATAGRAM,
  DESCRIPTOR_TYPE,
  FILE_ID,
  FILE_TYPE,
  O_ACCMODE,
  O_RDWR,
  O_WRONLY,
  PIPE,
  PIPE_END,
  SOCKET,
  STREAM,
  UNCONNECTED,
  UNIX_SOCKET,
  UNIX_SOCKET_TYPE,
} from './protocol.ts';
import { Message, messageOf, withBytes, withNumbers } from './wire.ts';

/** Set on an entry that stands for a socket of somebody else (USK_EXTERN of CRIU's sk-unix.c). */
const EXTERNAL = 1;
/** Both ways shut, as the end of a peer leaves them. */
const BOTH = 3;

/** Which files of a dump have their other ends outside of it. */
export interface Ends {
  /** Of a Unix socket whose other end belongs to somebody else, the name of that end, which may be empty. */
  peerOf(socket: Message): string | undefined;
  /** Whether somebody has to take what is written here: a line to nobody would end the writer (SIGPIPE). */
  isLog(file: Message): boolean;
}

export function endsOf(files: readonly Message[]): Ends {
  const sockets = files.flatMap((file) => file.message(UNIX_SOCKET) ?? []);
  const external = sockets.filter((socket) => (socket.number(SOCKET.ownFlags) & EXTERNAL) !== 0);
  const names = new Map(external.map((socket) => [socket.number(SOCKET.inode), unixName(socket)] as const));
  const pipes = files.flatMap((file) => file.message(PIPE) ?? []);
  const read = new Set(pipes.filter((pipe) => !isWritten(pipe)).map((pipe) => pipe.number(PIPE_END.id)));
  const peerOf = (socket: Message): string | undefined => names.get(socket.number(SOCKET.peer));
  return {
    peerOf,
    isLog: (file) => {
      const [socket, pipe] = [file.message(UNIX_SOCKET), file.message(PIPE)];
      if (socket) return peerOf(socket) === JOURNAL;
      return pipe !== undefined && !read.has(pipe.number(PIPE_END.id));
    },
  };
}

function isWritten(pipe: Message): boolean {
  return (pipe.number(PIPE_END.flags) & O_ACCMODE) === O_WRONLY;
}

/** What is at the other ends of Unix sockets of a dump, by the name it has there, else by the one that the socket itself has. */
export async function unixPeersIn(images: Images): Promise<string[]> {
  const files = await readEntries(images, 'files.img');
  const { peerOf } = endsOf(files);
  return files.flatMap((file) => {
    const socket = file.message(UNIX_SOCKET);
    const name = socket && peerOf(socket);
    return name === undefined ? [] : [name || unixName(socket!) || NAMELESS];
  });
}

export interface CutEnds {
  /** Whether something has to be opened for it to write to (`--inherit-fd fd[N]:LOG_NAME`). */
  readonly hasLog: boolean;
  /** Images as they have to be restored, by their names: sockets without their other ends, and logs that are to be opened. */
  readonly rewritten: ReadonlyMap<string, Uint8Array>;
}

/** A dump without the other ends that are outside of it. */
export async function cutEnds(images: Images): Promise<CutEnds> {
  const { head, entries } = await splitEntries(images, 'files.img');
  const ends = endsOf(entries.map(({ message }) => message));
  let isCut = false;
  const logs = new Set<number>();
  const files = entries.map(({ message, bytes }) => {
    const socket = message.message(UNIX_SOCKET);
    const isLog = ends.isLog(message);
    if (!isLog && (socket === undefined || ends.peerOf(socket) === undefined)) return bytes;
    isCut = true;
    if (isLog) logs.add(message.number(FILE_ID));
    return changedEntry(bytes, isLog ? asLog : withoutPeer);
  });
  const rewritten = new Map<string, Uint8Array>();
  if (isCut) rewritten.set('files.img', Buffer.concat([head, ...files]));
  for (const name of images.names.filter((one) => logs.size > 0 && /^fdinfo-\d+\.img$/.test(one)))
    rewritten.set(name, await withLogs(images, name, logs));
  return { hasLog: logs.size > 0, rewritten };
}

function withoutPeer(file: Uint8Array): Uint8Array {
  const bytes = new Message(file).bytes(UNIX_SOCKET);
  const isDatagram = new Message(bytes).number(SOCKET.type) === DATAGRAM;
  const alone: Record<number, number> = isDatagram
    ? { [SOCKET.state]: UNCONNECTED }
    : { [SOCKET.shutdown]: BOTH };
  return withBytes(file, UNIX_SOCKET, withNumbers(bytes, { [SOCKET.peer]: 0, ...alone }));
}

/** No socket's own: what CRIU knows the file by that takes the place of all logs. */
const LOG_INODE = 0x7fffffff;
export const LOG_NAME = `socket:[${LOG_INODE}]`;
/** Of CRIU's sk-opts.proto: two sizes and two limits of time, which have to be there. */
const NO_OPTIONS = messageOf({ 1: 0, 2: 0, 3: 0, 4: 0, 5: 0, 6: 0 });

/**
 * A file that CRIU is given, open, when it restores. It is said to be a Unix socket, as of others CRIU opens again what it is
 * given, which cannot be done to a socket; what is given may be anything.
 */
function asLog(file: Uint8Array): Uint8Array {
  const message = new Message(file);
  const id = message.number(FILE_ID);
  const owner =
    message.message(UNIX_SOCKET)?.bytes(SOCKET.owner) ?? message.message(PIPE)!.bytes(PIPE_END.owner);
  const socket = messageOf({
    ...{
      [SOCKET.id]: id,
      [SOCKET.inode]: LOG_INODE,
      [SOCKET.type]: STREAM,
      [SOCKET.state]: UNCONNECTED,
      [SOCKET.flags]: O_RDWR,
      [SOCKET.ownFlags]: 0,
      [SOCKET.backlog]: 0,
      [SOCKET.peer]: 0,
    },
    ...{ [SOCKET.owner]: owner, [SOCKET.options]: NO_OPTIONS, [SOCKET.name]: new Uint8Array() },
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
    .text(SOCKET.name)
    .replace(/(?<=^\/.*)\0$/s, '')
    .replaceAll('\0', '@');
}
