import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, test } from '@jest/globals';
import { content, inPieces, MB, MemorySink, never, noKnown, readAll } from '../../../test/support/packs.ts';
import { blobDigest } from '../../core/blob-digest.ts';
import { StasisError } from '../../core/errors.ts';
import { endIdlePool } from './pool.ts';
import { PackSession } from './session.ts';

afterAll(endIdlePool);

describe('a session of packs', () => {
  test('more streams than units, that depend on one another, all end', async () => {
    const session = new PackSession(new MemorySink(), noKnown, never);
    const streams = 40;
    let turn = 0;
    const waiting: (() => void)[] = [];
    // Piece by piece in strict turns: no stream may finish, or even go on, before all others have.
    async function* inTurns(place: number): AsyncGenerator<Uint8Array> {
      for (let round = 0; round < 6; round += 1) {
        while (turn % streams !== place) await new Promise<void>((resolve) => waiting.push(resolve));
        yield Buffer.alloc(50_000, place + 1);
        turn += 1;
        for (const resume of waiting.splice(0)) resume();
      }
    }
    const blobs = await Promise.all(
      Array.from({ length: streams }, (_unused, place) => session.put(inTurns(place), 'pages-4k')),
    );
    for (const [place, blob] of blobs.entries())
      expect(blob).toMatchObject({
        digest: blobDigest(Buffer.alloc(300_000, place + 1)),
        sizeBytes: 300_000,
      });
    await session.end();
  });

  test('more streams than units, all in a hurry, all end', async () => {
    const session = new PackSession(new MemorySink(), noKnown, never);
    const contents = Array.from({ length: 60 }, (_unused, place) => content(place, 20_000 * place));
    const blobs = await Promise.all(
      contents.map((bytes) => session.put(inPieces(bytes, [100_000]), 'content')),
    );
    for (const [place, blob] of blobs.entries()) expect(blob.digest).toBe(blobDigest(contents[place]!));
    await session.end();
  });

  test('a source that fails fails its own blob only', async () => {
    const session = new PackSession(new MemorySink(), noKnown, never);
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      yield randomBytes(6 * MB);
      throw new StasisError('test.source', 'the source broke');
    };
    await expect(session.put(failing(), 'content')).rejects.toMatchObject({ code: 'test.source' });
    const bytes = randomBytes(6 * MB);
    const blob = await session.put(inPieces(bytes, [MB]), 'content');
    expect((await readAll(session.read(blob))).equals(bytes)).toBe(true);
    await session.end();
  });

  test('a sink that is full fails the put or the end, and leaves the session closed', async () => {
    const sink = new MemorySink();
    sink.failAfterBytes = 8 * MB;
    const session = new PackSession(sink, noKnown, never);
    const writing = async (): Promise<void> => {
      await session.put(inPieces(randomBytes(60 * MB), [MB]), 'pages-4k');
      await session.finish();
    };
    await expect(writing()).rejects.toMatchObject({ code: 'store.no-space' });
    await session.end();
    await expect(session.put(inPieces(randomBytes(10), [1]), 'content')).rejects.toMatchObject({
      code: 'store.draft-ended',
    });
  });

  test('an abort ends a put at once, also while its source is silent', async () => {
    const controller = new AbortController();
    const session = new PackSession(new MemorySink(), noKnown, controller.signal);
    const silent = async function* (): AsyncGenerator<Uint8Array> {
      yield randomBytes(100);
      await delay(600_000, undefined, { ref: false });
    };
    const put = session.put(silent(), 'content');
    const rejected = expect(put).rejects.toMatchObject({ code: 'cancelled' });
    await delay(50);
    controller.abort();
    await rejected;
    await session.end();
  });

  test('a flipped byte anywhere in a pack is told, never given out', async () => {
    // Content of its own each time: workers keep what they have unpacked and found to be right.
    for (let round = 0; round < 12; round += 1) {
      const sink = new MemorySink();
      const session = new PackSession(sink, noKnown, never);
      const bytes = Buffer.concat([randomBytes(1000), content(round, 3 * MB)]);
      const blob = await session.put(inPieces(bytes, [MB]), 'pages-8k');
      await session.finish();
      const { info } = session.pack(0);
      const pack = sink.packs.get(info.digest)!;
      const frames = pack.length - info.toc.sizeBytes;
      const at = Math.floor(Math.random() * frames);
      pack[at] = pack[at]! ^ (1 << Math.floor(Math.random() * 8));
      await expect(readAll(session.read(blob))).rejects.toMatchObject({ code: 'store.damaged' });
      await session.end();
    }
  });
});
