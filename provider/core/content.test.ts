import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { expect, test } from '@jest/globals';
import { watchedContent } from './content.ts';

async function* pieces(ended: () => void, failing = false): AsyncGenerator<Uint8Array> {
  try {
    for (let count = 0; count < 3; count += 1) yield Buffer.from('piece');
    if (failing) throw new Error('of its own');
  } finally {
    ended();
  }
}

test('what the content throws is told, and ends it', async () => {
  const told: unknown[] = [];
  let ends = 0;
  const content = watchedContent(
    pieces(() => {
      ends += 1;
    }, true),
    (error) => void told.push(error),
  );
  let count = 0;
  for await (const _ of content) count += 1;
  expect({ count, ends, told }).toEqual({ count: 3, ends: 1, told: [new Error('of its own')] });
});

test('what its reader breaks off with is not', async () => {
  const told: unknown[] = [];
  let ends = 0;
  const content = watchedContent(
    pieces(() => {
      ends += 1;
    }),
    (error) => void told.push(error),
  );
  const into = new PassThrough({ highWaterMark: 1 });
  const piped = pipeline(Readable.from(content, { objectMode: false, highWaterMark: 1 }), into);
  await once(into, 'readable');
  into.destroy(new Error('EPIPE'));
  await expect(piped).rejects.toThrow('EPIPE');
  expect({ ends, told }).toEqual({ ends: 1, told: [] });
});
