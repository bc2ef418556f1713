import { digestOf } from '../../core/fingerprint-digest.ts';
import { type Images, readEntries, readFirst } from './image.ts';
import { type Ends, endsOf, unixName } from './outside-ends.ts';
import {
  CONNECTED,
  DATAGRAM,
  FIFO,
  FILE,
  O_ACCMODE,
  O_APPEND,
  O_WRONLY,
  PIPE,
  REGULAR,
  SOCKET,
  STREAM,
  UNCONNECTED,
  UNIX_SOCKET,
} from './protocol.ts';
import { type Queues, readQueues } from './queues.ts';
import type { Message } from './wire.ts';

/** An open file of a dump, whatever kind it is, without the numbers that the dumping kernel gave it. */
export interface DumpedFile {
  readonly kind: string;
  /** For people: a path, or addresses. */
  readonly shown: string;
  /** Equal exactly for the same. */
  readonly digest: string;
  /** Of a regular file. */
  readonly sizeBytes?: number;
  /** Of a regular file: of stat, with its type; CRIU insists on it. */
  readonly mode?: number;
  /** Its name was removed while it was open. */
  readonly isDeleted?: true;
  readonly socket?: DumpedSocket;
}

export interface DumpedSocket {
  readonly transport: 'tcp' | 'udp' | 'other';
  readonly state: string;
  readonly local: string;
  readonly peer: string;
}

/** CRIU's fd_types, by number. */
const KINDS: Readonly<Record<number, string>> = {
  1: 'file',
  2: 'pipe',
  3: 'fifo',
  4: 'socket',
  5: 'unix-socket',
  6: 'eventfd',
  7: 'epoll',
  8: 'inotify',
  9: 'signalfd',
  11: 'terminal',
  13: 'netlink',
  17: 'timerfd',
  18: 'memfd',
};
/** Linux's TCP states, by number. */
const STATES: Readonly<Record<number, string>> = {
  1: 'established',
  2: 'connecting',
  4: 'closing',
  5: 'closing',
  7: 'closed',
  8: 'closing',
  10: 'listening',
};
/** Flags that make a file without a name (asm-generic/fcntl.h); only how it came about. */
const O_TMPFILE = 0o20200000;
const INET_SOCKET = 4;
const EVENTFD = 8;
const EPOLL = 9;
const SIGNALFD = 10;
const TIMERFD = 12;

/**
 * Where a service's output goes: to the journal, into a pipe that others read, or where a host has no journal, to nowhere,
 * which a restore opens to be appended to. It is the same to the process.
 */
const LOG: DumpedFile = { kind: 'log', shown: 'a log', digest: digestOf('log') };

/** files.img, by the number that descriptors and mappings refer to. */
export async function readFiles(images: Images): Promise<ReadonlyMap<number, DumpedFile>> {
  const files = new Map<number, DumpedFile>();
  const deleted = await deletedFiles(images);
  const queues = await readQueues(images);
  const entries = await readEntries(images, 'files.img');
  const ends = endsOf(entries);
  for (const entry of entries) {
    const regular = entry.message(REGULAR);
    const id = entry.number(2);
    const found = regular && deleted.has(id) ? deletedFile(regular) : undefined;
    files.set(id, found ?? (await fileOf(entry, images, queues, ends)));
  }
  return files;
}

/** What name it had is no part of it: a restored one had another. */
function deletedFile(regular: Message): DumpedFile {
  const flags = regular.number(2) & ~O_TMPFILE;
  return {
    ...{ kind: 'file', shown: 'a deleted file', isDeleted: true },
    digest: digestOf('deleted', flags, regular.big(3)),
  };
}

/** Numbers of the files whose names lead nowhere any more: each has an entry that says what stands for it. */
async function deletedFiles(images: Images): Promise<ReadonlySet<number>> {
  const name = 'remap-fpath.img';
  if (!images.names.includes(name)) return new Set();
  return new Set((await readEntries(images, name)).map((entry) => entry.number(1)));
}

async function fileOf(entry: Message, images: Images, queues: Queues, ends: Ends): Promise<DumpedFile> {
  if (ends.isLog(entry)) return LOG;
  const kind = KINDS[entry.number(1)] ?? `kind ${entry.number(1)}`;
  const regular = entry.message(REGULAR);
  if (regular) {
    const shown = regular.text(6);
    const flags = regular.number(2);
    if (shown === '/dev/null' && (flags & O_ACCMODE) === O_WRONLY && flags & O_APPEND) return LOG;
    const digest = digestOf(kind, shown, flags, regular.big(3));
    const sizeBytes = regular.has(FILE.sizeBytes) ? { sizeBytes: regular.number(FILE.sizeBytes) } : {};
    return {
      kind,
      shown,
      digest,
      ...sizeBytes,
      ...(regular.has(FILE.mode) ? { mode: regular.number(FILE.mode) } : {}),
    };
  }
  const inet = entry.message(INET_SOCKET);
  if (inet) return socketOf(inet, images);
  const unix = entry.message(UNIX_SOCKET);
  if (unix) return unixSocketOf(unix, queues, ends.peerOf(unix));
  const pipe = entry.message(PIPE) ?? entry.message(FIFO);
  if (pipe) return { kind, shown: kind, digest: digestOf(kind, queues.ofPipe(pipe.number(2))) };
  return { kind, shown: kind, digest: digestOf(kind, settingOf(entry)) };
}

/**
 * One whose other end is outside is as it will be restored: without it. A connection that has lost its other end comes back
 * without the name that it was accepted under.
 */
function unixSocketOf(unix: Message, queues: Queues, outside: string | undefined): DumpedFile {
  const kind = 'unix-socket';
  const shown = unixName(unix);
  const type = unix.number(SOCKET.type);
  const isCut = outside !== undefined || unix.number(SOCKET.peer) === 0;
  const state = isCut && type === DATAGRAM ? UNCONNECTED : unix.number(SOCKET.state);
  const name = isCut && type !== DATAGRAM && state === CONNECTED ? '' : shown;
  const queue = queues.ofSocket(unix.number(SOCKET.id), type === STREAM);
  return { kind, shown, digest: digestOf(kind, name, type, state, queue) };
}

/**
 * A counter; a timer's clock and period; which signals come; what is waited for, with what for each. Of others the kind
 * is what counts.
 */
function settingOf(entry: Message): string {
  const counter = entry.message(EVENTFD)?.big(4);
  if (counter !== undefined) return String(counter);
  const timer = entry.message(TIMERFD);
  if (timer) return [4, 9, 10].map((field) => timer.big(field)).join();
  const signals = entry.message(SIGNALFD)?.big(4);
  if (signals !== undefined) return String(signals);
  const waited = entry.message(EPOLL)?.messages(4) ?? [];
  return waited
    .map((target) => [2, 3, 4].map((field) => target.big(field)).join())
    .sort()
    .join(' ');
}

async function socketOf(inet: Message, images: Images): Promise<DumpedFile> {
  const transport = inet.number(5) === 6 ? 'tcp' : inet.number(5) === 17 ? 'udp' : 'other';
  const state = STATES[inet.number(6)] ?? `state ${inet.number(6)}`;
  const local = `${addressOf(inet.numbers(11))}:${inet.number(7)}`;
  const peer = `${addressOf(inet.numbers(12))}:${inet.number(8)}`;
  const queues = await queuesOf(images, inet.number(2));
  const shown = state === 'listening' ? `${transport} ${local}` : `${transport} ${local} ${peer}`;
  // CRIU puts the length of the write queue where a listening socket has its backlog. It looks there before it reads the
  // queues, and an acknowledgement may come in between, to frozen processes too.
  const backlog = state === 'listening' ? inet.number(10) : 0;
  const digest = digestOf('socket', shown, state, inet.number(3), backlog, queues);
  return { kind: 'socket', shown, digest, socket: { transport, state, local, peer } };
}

/** What was sent and not acknowledged, and what was received and not read: it is part of the connection. */
async function queuesOf(images: Images, inode: number): Promise<string> {
  const name = `tcp-stream-${inode.toString(16)}.img`;
  if (!images.names.includes(name)) return '';
  const { entry, rest } = await readFirst(images, name);
  return digestOf(entry.number(1), entry.number(2), entry.number(3), entry.number(4), rest);
}

/** What an IPv6 socket has for an address of IPv4. */
const MAPPED = Buffer.from('00000000000000000000ffff', 'hex');

/** Words as they lie in memory: one for IPv4, four for IPv6. An address of IPv4 reads the same in both. */
function addressOf(words: readonly number[]): string {
  const bytes = Buffer.alloc(words.length * 4);
  for (const [index, word] of words.entries()) bytes.writeUInt32LE(word >>> 0, index * 4);
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.subarray(0, MAPPED.length).equals(MAPPED)) return bytes.subarray(MAPPED.length).join('.');
  const groups = Array.from({ length: bytes.length / 2 }, (_, index) => bytes.readUInt16BE(index * 2));
  return `[${groups.map((group) => group.toString(16)).join(':')}]`;
}
