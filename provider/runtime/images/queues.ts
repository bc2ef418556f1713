import { digestOf } from '../../core/fingerprint-digest.ts';
import { type Images, readParts } from './image.ts';
import type { Message } from './wire.ts';

/** Digests of what was written into pipes, FIFOs and Unix sockets and not read yet. Empty where nothing is under way. */
export interface Queues {
  /** Of a pipe or a FIFO, by the number that all of its ends share (`pipe_id`). */
  ofPipe(pipe: number): string;
  /** Of a socket, by the number that descriptors refer to (`id_for`). */
  ofSocket(id: number, isStream: boolean): string;
}

/** CRIU's pipe-data.proto: `bytes`. The content of a pipe follows its entry. */
const PIPE_BYTES = 2;
/** CRIU's sk-packet.proto: `length`, and what descriptors go along. A packet's content follows its entry. */
const PACKET_BYTES = 2;
const PACKET_DESCRIPTORS = 4;

interface Part {
  readonly entry: Message;
  readonly content: Buffer;
}

export async function readQueues(images: Images): Promise<Queues> {
  const pipes = new Map<number, string>();
  for (const name of ['pipes-data.img', 'fifo-data.img'])
    for (const { entry, content } of await partsOf(images, name, PIPE_BYTES))
      if (content.length > 0) pipes.set(entry.number(1), digestOf('pipe', content));
  const packets = new Map<number, Part[]>();
  for (const part of await partsOf(images, 'sk-queues.img', PACKET_BYTES)) {
    const socket = part.entry.number(1);
    packets.set(socket, [...(packets.get(socket) ?? []), part]);
  }
  return {
    ofPipe: (pipe) => pipes.get(pipe) ?? '',
    ofSocket: (id, isStream) => packetsDigest(packets.get(id) ?? [], isStream),
  };
}

async function partsOf(images: Images, name: string, sizeField: number): Promise<Part[]> {
  if (!images.names.includes(name)) return [];
  return readParts(images, name, (entry) => entry.number(sizeField));
}

/** Where one packet of a stream ends and the next begins is nothing that its reader could see. */
function packetsDigest(packets: readonly Part[], isStream: boolean): string {
  if (packets.length === 0) return '';
  const descriptors = packets.flatMap(({ entry }) =>
    entry.messages(PACKET_DESCRIPTORS).map((passed) => passed.numbers(2).length),
  );
  const contents = packets.map(({ content }) => content);
  return digestOf('packets', descriptors.join(), ...(isStream ? [Buffer.concat(contents)] : contents));
}
