import { describe, expect, test } from '@jest/globals';
import { memoryBlobs } from '../../../../test/support/context.ts';
import { fingerprintStored, fingerprintStream, storedStream, storeMemory } from './store.ts';
import { composeMemory, type Frame, PAGE_BYTES, type Page, parseMemory, type Run } from './stream.ts';

const PAGES = 3_000;

function bytes(hex: string, text = ''): Buffer {
  return Buffer.concat([Buffer.from(hex.replaceAll(' ', ''), 'hex'), Buffer.from(text, 'latin1')]);
}

function number(value: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  if (length === 8) buffer.writeBigUInt64BE(BigInt(value));
  else buffer.writeUInt32BE(value);
  return buffer;
}

/** As QEMU writes it: one block of memory, and a device of four bytes. */
function frameOf(state: string): Frame {
  const sizeBytes = PAGES * PAGE_BYTES;
  const head = Buffer.concat([
    bytes('5145564d 00000003 07'),
    number(11, 4),
    bytes('', 'pc-q35-11.1'),
    bytes('01 00000001 03', 'ram'),
    bytes('00000000 00000004'),
    number(sizeBytes + 4, 8),
    bytes('06', 'pc.ram'),
    number(sizeBytes, 8),
    number(0x10, 8),
    bytes('7e 00000001'),
  ]);
  const description = Buffer.from(
    JSON.stringify({ configuration: {}, devices: [{ name: 'clock', instance_id: 0 }] }),
  );
  const tail = Buffer.concat([
    bytes('04 00000002 05', 'clock'),
    bytes('00000000 00000001'),
    bytes(state),
    bytes('7e 00000002 00 06'),
    number(description.length, 4),
    description,
  ]);
  return { head, tail, blocks: [{ name: 'pc.ram', sizeBytes }], section: 1, footers: true };
}

const page = (index: number): Buffer => Buffer.alloc(PAGE_BYTES, `page ${index} `);

/** Out of order, as pages come that the guest wanted to write. */
const RUNS: readonly Run[] = [
  [0, 1_200, 300],
  [0, 5, 1],
  [0, 100, 50],
];

async function* stored(change: (index: number) => Buffer = page): AsyncGenerator<Uint8Array> {
  for (const [, first, count] of RUNS) for (let at = first; at < first + count; at += 1) yield change(at);
}

/** In pieces that fit nothing. */
async function* chopped(content: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of content) parts.push(Uint8Array.from(part));
  const whole = Buffer.concat(parts);
  for (let at = 0; at < whole.length; at += size) yield whole.subarray(at, at + size);
}

describe('a migration stream', () => {
  test.each([997, 4096, 1_000_000])(
    'is taken apart and put together again, in pieces of %i',
    async (size) => {
      const frame = frameOf('01020304');
      const parsed = parseMemory(chopped(composeMemory(frame, RUNS, stored()), size));
      const pages: Page[] = [];
      for (;;) {
        const { value, done } = await parsed.next();
        if (done) {
          expect(value).toEqual(frame);
          break;
        }
        pages.push({ ...value, data: value.data && Buffer.from(value.data) });
      }
      expect(pages.length).toBe(PAGES);
      const found = pages.filter(({ data }) => data !== undefined);
      expect(found.map((one) => one.page)).toEqual(
        RUNS.flatMap(([, first, count]) => Array.from({ length: count }, (_, at) => first + at)),
      );
      expect(found.every((one) => one.data!.equals(page(one.page)))).toBe(true);
    },
  );

  test('has the same fingerprint from the store and as it was saved, and another when a page or a device differs', async () => {
    const blobs = memoryBlobs();
    const stream = (state: string, change?: (index: number) => Buffer) =>
      composeMemory(frameOf(state), RUNS, stored(change));
    const { content } = await storeMemory(stream('01020304'), blobs);
    const entries = await fingerprintStored(content, blobs);
    expect(await fingerprintStream(stream('01020304'))).toEqual(entries);
    expect(await fingerprintStream(storedStream(content, blobs))).toEqual(entries);
    const differing = async (other: AsyncIterable<Uint8Array>) =>
      (await fingerprintStream(other))
        .filter(({ object, digest }) => entries.find((one) => one.object === object)?.digest !== digest)
        .map(({ object }) => object);
    expect(await differing(stream('01020305'))).toEqual(['device/clock/0']);
    const flipped = (index: number): Buffer => {
      const copy = page(index);
      if (index === 1_203) copy[7]! ^= 1;
      return copy;
    };
    expect(await differing(stream('01020304', flipped))).toEqual(['memory/pc.ram/000000400000']);
  });

  test('that is cut short, or of another kind, is refused', async () => {
    const parts: Uint8Array[] = [];
    for await (const part of composeMemory(frameOf('01020304'), RUNS, stored())) parts.push(part);
    const whole = Buffer.concat(parts);
    for (const damaged of [whole.subarray(0, 20), whole.subarray(0, whole.length >> 1), Buffer.from('QEVN')])
      await expect(
        fingerprintStream(
          (async function* () {
            yield damaged;
          })(),
        ),
      ).rejects.toMatchObject({ code: 'vm.memory-unreadable' });
  });
});
