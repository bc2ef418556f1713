import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { StasisError } from '../../core/errors.ts';
import type { FingerprintEntry } from '../../core/fingerprint.ts';
import { readFiles } from './files.ts';
import { fingerprintImages } from './fingerprint.ts';
import { imagesOf } from './image.ts';
import { unpackImages } from './packed.ts';
import { Message } from './wire.ts';

type Fields = readonly (readonly [number, number | bigint | string | Fields])[];

function varint(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return bytes;
}

function encode(fields: Fields): Buffer {
  return Buffer.concat(
    fields.map(([field, value]) => {
      if (typeof value === 'number' || typeof value === 'bigint')
        return Buffer.from([...varint(BigInt(field << 3)), ...varint(BigInt(value))]);
      const bytes = typeof value === 'string' ? Buffer.from(value) : encode(value);
      return Buffer.concat([
        Buffer.from([...varint(BigInt((field << 3) | 2)), ...varint(BigInt(bytes.length))]),
        bytes,
      ]);
    }),
  );
}

function image(...entries: Fields[]): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0x54564319, 0);
  const parts = entries.map(encode).flatMap((bytes) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    return [length, bytes];
  });
  return Buffer.concat([header, ...parts]);
}

const START = 0x10000n;
const PAGE = 4096;
const RSEQ = 0x10100n;

/** One process with one thread, one log file, and one mapping of which these pages were dumped. */
function dump(pages: readonly Buffer[], position = 7, thread = 42) {
  const described = new Map([
    [
      'pstree.img',
      image([
        [1, 42],
        [2, 0],
        [3, 42],
        [4, 42],
        [5, thread],
      ]),
    ],
    [
      'files.img',
      image([
        [1, 1],
        [2, 5],
        [
          3,
          [
            [1, 5],
            [2, 1],
            [3, position],
            [6, '/srv/log'],
            [8, 7],
          ],
        ],
      ]),
    ],
    [
      'ids-42.img',
      image([
        [1, 1],
        [2, 2],
      ]),
    ],
    [
      'fdinfo-2.img',
      image([
        [1, 5],
        [2, 0],
        [3, 1],
        [4, 1],
      ]),
    ],
    [
      'core-42.img',
      image([
        [1, 1],
        [
          2,
          [
            [
              2,
              [
                [11, 1],
                [16, 2],
                [17, 3],
              ],
            ],
          ],
        ],
        [
          3,
          [
            [1, 1],
            [6, 'node'],
          ],
        ],
        [
          5,
          [
            [
              15,
              [
                [1, RSEQ],
                [2, 32],
              ],
            ],
          ],
        ],
      ]),
    ],
    [
      'mm-42.img',
      image([
        [
          14,
          [
            [1, START],
            [2, START + 0x4000n],
            [5, 3],
            [6, 34],
            [7, 513],
          ],
        ],
      ]),
    ],
    [
      'pagemap-42.img',
      image(
        [[1, 1]],
        [
          [1, START],
          [2, 0],
          [4, 4],
          [5, pages.length],
        ],
      ),
    ],
  ]);
  return imagesOf(described, ['pages-1.img'], async function* () {
    // In pieces that fit no page, as a stream comes.
    const all = Buffer.concat(pages);
    for (let at = 0; at < all.length; at += 1000) yield all.subarray(at, at + 1000);
  });
}

async function differing(a: ReturnType<typeof dump>, b: ReturnType<typeof dump>): Promise<string[]> {
  const [left, right] = [await fingerprintImages(a), await fingerprintImages(b)];
  const digests = (entries: FingerprintEntry[]) =>
    new Map(entries.map(({ object, digest }) => [object, digest]));
  const [of, others] = [digests(left), digests(right)];
  return [...new Set([...of.keys(), ...others.keys()])].filter(
    (object) => of.get(object) !== others.get(object),
  );
}

const content = Buffer.alloc(PAGE, 'memory');
const changed = (at: number): Buffer => {
  const page = Buffer.from(content);
  page[at] = page[at]! ^ 1;
  return page;
};

/** One socket of TCP over IPv4, as CRIU describes it. */
async function socketDigest(state: number, backlog: number): Promise<string | undefined> {
  const inet: Fields = [
    [1, 5],
    [2, 900],
    [3, 2],
    [4, 1],
    [5, 6],
    [6, state],
    [7, 6379],
    [8, state === 10 ? 0 : 40_000],
    [9, 2],
    [10, backlog],
    [11, 0x0100007f],
    [12, state === 10 ? 0 : 0x0100007f],
  ];
  const files = image([
    [1, 4],
    [2, 5],
    [4, inet],
  ]);
  const images = imagesOf(new Map([['files.img', files]]), [], async function* () {});
  return (await readFiles(images)).get(5)?.digest;
}

test('a backlog is part of a listening socket; of a connected one it is what was not acknowledged yet, which passes', async () => {
  expect(await socketDigest(10, 128)).not.toBe(await socketDigest(10, 511));
  expect(await socketDigest(1, 0)).toBe(await socketDigest(1, 5));
  expect(await socketDigest(1, 0)).toBeDefined();
});

/** An image in which bytes of its own follow each entry. */
function imageOfParts(...parts: (readonly [Fields, string])[]): Buffer {
  const header = image();
  return Buffer.concat([
    header,
    ...parts.flatMap(([fields, content]) => [
      image(fields).subarray(header.length),
      Buffer.from(content, 'latin1'),
    ]),
  ]);
}

/** A pipe, a FIFO and a Unix socket, as CRIU describes them with what is under way in them. */
async function queueDigests(inPipe: string, inFifo: string, packets: readonly string[], type = 1) {
  const socket: Fields = [
    [1, 7],
    [2, 900],
    [3, type],
    [4, 1],
    [8, 901],
    [11, '\0door'],
  ];
  const images = new Map([
    [
      'files.img',
      image(
        [
          [1, 2],
          [2, 5],
          [
            18,
            [
              [1, 5],
              [2, 70],
            ],
          ],
        ],
        [
          [1, 3],
          [2, 6],
          [
            17,
            [
              [1, 6],
              [2, 71],
            ],
          ],
        ],
        [
          [1, 5],
          [2, 7],
          [16, socket],
        ],
      ),
    ],
    ['pipes-data.img', imageOfParts(pipeData(99, 'of another'), pipeData(70, inPipe))],
    ['fifo-data.img', imageOfParts(pipeData(71, inFifo))],
    [
      'sk-queues.img',
      imageOfParts(
        ...packets.map((packet): [Fields, string] => [
          [
            [1, 7],
            [2, packet.length],
          ],
          packet,
        ]),
      ),
    ],
  ]);
  const files = await readFiles(imagesOf(images, [], async function* () {}));
  return [5, 6, 7].map((id) => files.get(id)?.digest);
}

function pipeData(pipe: number, content: string): [Fields, string] {
  return [
    [
      [1, pipe],
      [2, content.length],
      [3, 65_536],
    ],
    content,
  ];
}

test('what is under way in pipes, FIFOs and Unix sockets is part of them, and only of them', async () => {
  const differing = async (...others: Parameters<typeof queueDigests>): Promise<number[]> => {
    const before = await queueDigests('in the pipe', '', ['one', 'two']);
    const after = await queueDigests(...others);
    return [0, 1, 2].filter((index) => before[index] !== after[index]);
  };
  expect(await differing('in the pipe', '', ['one', 'two'])).toEqual([]);
  expect(await differing('in the pipf', '', ['one', 'two'])).toEqual([0]);
  expect(await differing('', '', ['one', 'two'])).toEqual([0]);
  expect(await differing('in the pipe', 'x', ['one', 'two'])).toEqual([1]);
  expect(await differing('in the pipe', '', ['one', 'twO'])).toEqual([2]);
  expect(await differing('in the pipe', '', [])).toEqual([2]);
  // A stream has no packets; what keeps them apart has.
  expect(await differing('in the pipe', '', ['onetwo'])).toEqual([]);
  expect(await queueDigests('', '', ['one', 'two'], 2)).not.toEqual(
    await queueDigests('', '', ['onetwo'], 2),
  );
});

describe('the fingerprint of a dump', () => {
  test('names processes, threads, what is open, and memory, sorted and each once', async () => {
    const objects = (await fingerprintImages(dump([content]))).map(({ object }) => object);
    expect(objects).toEqual([
      'process/42',
      'process/42/credentials',
      'process/42/limits',
      'process/42/memory/0000000000010000',
      'process/42/open/1',
      'process/42/program',
      'process/42/signals',
      'process/42/thread/42',
    ]);
  });

  test('a number of a thread that there never was, as CRIU writes for a process that has ended, is none', async () => {
    expect(await differing(dump([content]), dump([content], 7, 2_970_654_688))).toEqual([]);
  });

  test('a changed byte is found in its mapping, a moved position in its descriptor', async () => {
    expect(await differing(dump([content]), dump([changed(4000)]))).toEqual([
      'process/42/memory/0000000000010000',
    ]);
    expect(await differing(dump([content]), dump([content], 8))).toEqual(['process/42/open/1']);
  });

  test('a page of zeros is as one that was never touched; content at another address is other content', async () => {
    const zeros = Buffer.alloc(PAGE);
    expect(await differing(dump([content]), dump([content, zeros]))).toEqual([]);
    expect(await differing(dump([content]), dump([zeros, content]))).toHaveLength(1);
  });

  test('of what a thread shares with the kernel, the processor is noise, and the critical section is not', async () => {
    const rseq = Number(RSEQ - START);
    for (const at of [0, 7, 20, 27])
      expect(await differing(dump([content]), dump([changed(rseq + at)]))).toEqual([]);
    for (const at of [8, 15, 16, 28])
      expect(await differing(dump([content]), dump([changed(rseq + at)]))).toHaveLength(1);
  });

  test('pages that end too early are damage, not equality', async () => {
    await expect(fingerprintImages(dump([content.subarray(0, 4000)]))).rejects.toMatchObject({
      code: 'runtime.damaged-image',
    });
  });
});

describe('messages', () => {
  test('repeated numbers are read packed and one by one', () => {
    expect(
      new Message(
        encode([
          [5, 1],
          [5, 300],
          [5, 2],
        ]),
      ).numbers(5),
    ).toEqual([1, 300, 2]);
    expect(new Message(Buffer.from([0x2a, 4, 1, 0xac, 2, 2])).numbers(5)).toEqual([1, 300, 2]);
  });

  test('any bytes are read or refused, with one error', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        try {
          for (const message of new Message(bytes).messages(1)) message.text(1);
        } catch (error) {
          expect(error).toBeInstanceOf(StasisError);
        }
      }),
    );
  });

  test('an archive that is no archive is refused', async () => {
    async function* stream(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
      yield bytes;
    }
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(1024), Buffer.alloc(512, 'x')])
      await expect(unpackImages(stream(bytes))).rejects.toMatchObject({ code: 'runtime.damaged-image' });
  });
});
