/** Of CRIU's fdinfo.proto: a file's type and number, and the fields of what it is; of a descriptor the type of its file. */
export const [FILE_TYPE, FILE_ID, REGULAR, UNIX_SOCKET, FIFO, PIPE] = [1, 2, 3, 16, 17, 18] as const;
export const DESCRIPTOR_TYPE = 3;
export const UNIX_SOCKET_TYPE = 5;

/** Of CRIU's regfile.proto. */
export const FILE = { flags: 2, name: 6, sizeBytes: 8, isExternal: 9, mode: 10 } as const;

/** Of CRIU's sk-unix.proto. */
export const SOCKET = {
  ...{ id: 1, inode: 2, type: 3, state: 4, flags: 5, ownFlags: 6, backlog: 7, peer: 8 },
  ...{ owner: 9, options: 10, name: 11, shutdown: 12 },
} as const;
/** Linux's SOCK_STREAM and SOCK_DGRAM, and two of its states. */
export const [STREAM, DATAGRAM] = [1, 2] as const;
export const [CONNECTED, UNCONNECTED] = [1, 7] as const;

/** Of CRIU's pipe.proto: the number that both ends share. */
export const PIPE_END = { id: 2, flags: 3, owner: 4 } as const;

/** Of a file that is open (asm-generic/fcntl.h). */
export const [O_ACCMODE, O_WRONLY, O_RDWR, O_APPEND] = [0o3, 0o1, 0o2, 0o2000] as const;
