import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Spool } from './spool.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stasis-spool-test-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function drain(spool: Spool, rest = (): Promise<void> => Promise.resolve()): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of spool.chunks()) {
    chunks.push(chunk);
    await rest();
  }
  return Buffer.concat(chunks);
}

test('gives back what was written, in order, however writer and reader take turns', async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(
      sizes,
      fc.integer({ min: 1, max: 2_000 }),
      fc.array(fc.boolean(), { minLength: 1 }),
      async (lengths, memory, pauses) => {
        await using spool = new Spool(folder, memory);
        let turn = 0;
        const rest = async (): Promise<void> => {
          if (pauses[turn++ % pauses.length]) await new Promise((resolve) => setImmediate(resolve));
        };
        const chunks = lengths.map((length, index) => Buffer.alloc(length, index));
        const reading = drain(spool, rest);
        for (const chunk of chunks) {
          await spool.write(chunk);
          await rest();
        }
        spool.end();
        expect(await reading).toEqual(Buffer.concat(chunks));
      },
    ),
    { numRuns: 300 },
  );
});

test('what does not fit in memory lies in a file without a name', async () => {
  await using spool = new Spool(folder, 1_000);
  for (let index = 0; index < 50; index += 1) await spool.write(Buffer.alloc(700, index));
  spool.end();
  expect(await readdir(folder)).toEqual([]);
  expect((await drain(spool)).length).toBe(35_000);
});

test('where there is no room for a file, the writer waits for the reader', async () => {
  await using spool = new Spool(join(folder, 'not-there'), 1_000);
  const first = spool.write(Buffer.alloc(1_500));
  let written = false;
  void first?.then(() => {
    written = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(written).toBe(false);
  const reading = drain(spool);
  await first;
  await spool.write(Buffer.alloc(10));
  spool.end();
  expect((await reading).length).toBe(1_510);
});

test('a failure comes after what was written before it', async () => {
  await using spool = new Spool(folder, 100);
  await spool.write(Buffer.from('first'));
  spool.end(new Error('broken off'));
  const chunks: string[] = [];
  const reading = (async () => {
    for await (const chunk of spool.chunks()) chunks.push(chunk.toString());
  })();
  await expect(reading).rejects.toThrow('broken off');
  expect(chunks).toEqual(['first']);
});
