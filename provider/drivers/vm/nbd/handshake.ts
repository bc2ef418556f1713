import type { Socket } from 'node:net';
import { StasisError } from '../../../core/errors.ts';
import type { Portions } from '../portions.ts';

/** Numbers of the protocol: proto.md, "Newstyle negotiation" and "Option types". */
const SERVER_MAGIC = 'NBDMAGIC';
const OPTION_MAGIC = 'IHAVEOPT';
const REPLY_MAGIC = 0x3e889045565a9n;
const GO = 7;
const STRUCTURED_REPLY = 8;
const SET_META_CONTEXT = 10;
const ACKNOWLEDGED = 1;
const INFORMATION = 3;
const META_CONTEXT = 4;
const ERROR_BIT = 0x80000000;
const INFORMATION_EXPORT = 0;
/** Fixed newstyle, and no padding after the old way of naming an export. */
const CLIENT_FLAGS = 3;
const READ_ONLY = 1 << 1;

export interface NbdExport {
  readonly sizeBytes: number;
  readonly readOnly: boolean;
}

interface Reply {
  readonly kind: number;
  readonly data: Buffer;
}

/** @throws StasisError `vm.disk-unreadable` where the server lacks the export, or what we need of the protocol */
export async function handshake(
  socket: Socket,
  incoming: Portions,
  name: string,
  context: string | undefined,
): Promise<NbdExport> {
  const greeting = await incoming.take(18);
  if (greeting.toString('latin1', 0, 16) !== `${SERVER_MAGIC}${OPTION_MAGIC}`) throw refused('no NBD server');
  const flags = Buffer.alloc(4);
  flags.writeUInt32BE(CLIENT_FLAGS);
  socket.write(flags);
  const ask = async (option: number, data: Buffer): Promise<Reply[]> => {
    socket.write(optionOf(option, data));
    return replies(incoming);
  };
  if (failed(await ask(STRUCTURED_REPLY, Buffer.alloc(0)))) throw refused('no structured replies');
  if (context !== undefined) {
    const answers = await ask(SET_META_CONTEXT, Buffer.concat([text(name), number(1), text(context)]));
    if (!answers.some(({ kind }) => kind === META_CONTEXT)) throw refused(`no ${context}`);
  }
  const answers = await ask(GO, Buffer.concat([text(name), Buffer.alloc(2)]));
  const found = answers.find(
    ({ kind, data }) => kind === INFORMATION && data.readUInt16BE(0) === INFORMATION_EXPORT,
  );
  if (found === undefined) throw refused(`no export "${name}"`);
  return {
    sizeBytes: Number(found.data.readBigUInt64BE(2)),
    readOnly: (found.data.readUInt16BE(10) & READ_ONLY) !== 0,
  };
}

/** All replies to one option: the last acknowledges or refuses it. */
async function replies(incoming: Portions): Promise<Reply[]> {
  const found: Reply[] = [];
  for (;;) {
    const head = await incoming.take(20);
    if (head.readBigUInt64BE(0) !== REPLY_MAGIC) throw refused('no NBD server');
    const kind = head.readUInt32BE(12);
    found.push({ kind, data: Buffer.from(await incoming.take(head.readUInt32BE(16))) });
    if (kind === ACKNOWLEDGED || isError(kind)) return found;
  }
}

function failed(answers: readonly Reply[]): boolean {
  return answers.some(({ kind }) => isError(kind));
}

function isError(kind: number): boolean {
  return kind >= ERROR_BIT;
}

function optionOf(option: number, data: Buffer): Buffer {
  return Buffer.concat([Buffer.from(OPTION_MAGIC, 'latin1'), number(option), number(data.length), data]);
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8');
  return Buffer.concat([number(bytes.length), bytes]);
}

function refused(why: string): StasisError {
  return new StasisError('vm.disk-unreadable', `A disk of the VM cannot be reached by way of QEMU: ${why}.`);
}
