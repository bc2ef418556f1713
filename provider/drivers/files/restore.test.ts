import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, jest, test } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import {
  around,
  type Captured,
  host,
  load,
  restoreAndCompare,
  scratch,
  source,
  stream,
} from '../../../test/support/files-capture.ts';
import type { RestorePlan } from '../../core/driver.ts';
import { compareFingerprints } from '../../core/fingerprint.ts';
import type { Host } from '../../core/host.ts';
import type { BlobReader } from '../../core/store.ts';
import { contentOf } from './content.ts';
import { filesDriver } from './driver.ts';

/** Programs are started, on machines that may be busy. */
jest.setTimeout(120_000);

function plan(path: string, captured: Captured, at: Host = host): Promise<RestorePlan> {
  return filesDriver.planRestore({ path }, at, captured.member, testContext());
}

describe('a restore', () => {
  test('leaves the target alone until it is released, and is remembered then', async () => {
    using folder = scratch();
    const captured = await source(folder);
    const target = folder.at('target');
    expect(await plan(target, captured)).toMatchObject({ problems: [], empty: true, restoredBy: undefined });
    {
      await using held = await load({ path: target }, captured);
      expect(existsSync(target)).toBe(false);
      expect(statSync(folder.at(around(folder).find((name) => name.includes('stasis'))!)).mode & 0o077).toBe(
        0,
      );
      await held.release();
    }
    expect(readFileSync(`${target}/a`, 'utf8')).toBe('captured');
    expect(around(folder)).toEqual(['.target.stasis-restore.json', 'target']);
    expect(await plan(target, captured)).toMatchObject({ empty: false, restoredBy: 'restore-1' });

    // What was made anew in its place was not restored.
    rmSync(target, { recursive: true });
    mkdirSync(target);
    writeFileSync(`${target}/x`, '');
    expect((await plan(target, captured)).restoredBy).toBeUndefined();
  });

  test('that is not released leaves nothing', async () => {
    using folder = scratch();
    const captured = await source(folder);
    const held = await load({ path: folder.at('target') }, captured);
    await held[Symbol.asyncDispose]();
    await held[Symbol.asyncDispose]();
    expect(around(folder)).toEqual([]);
  });

  test('with the same id may be done again, also over what it restored', async () => {
    using folder = scratch();
    const captured = await source(folder);
    expect((await restoreAndCompare({ path: folder.at('target') }, captured)).differenceCount).toBe(0);
    writeFileSync(folder.at('target', 'a'), 'changed since');
    expect((await restoreAndCompare({ path: folder.at('target') }, captured)).differenceCount).toBe(0);
    await expect(load({ path: folder.at('target') }, captured, { restoreId: 'other' })).rejects.toMatchObject(
      {
        code: 'files.not-empty',
      },
    );
  });

  test.each(['folder', 'file'] as const)(
    'refuses a %s with something in it, unless told to overwrite',
    async (kind) => {
      using folder = scratch();
      const captured = await source(folder);
      const target = folder.at('target');
      if (kind === 'folder') {
        mkdirSync(target);
        writeFileSync(`${target}/theirs`, 'theirs');
      } else writeFileSync(target, 'theirs');
      expect((await plan(target, captured)).empty).toBe(false);
      await expect(load({ path: target }, captured)).rejects.toMatchObject({ code: 'files.not-empty' });
      const before =
        kind === 'folder' ? readFileSync(`${target}/theirs`, 'utf8') : readFileSync(target, 'utf8');
      expect(before).toBe('theirs');
      expect(around(folder)).toEqual(['target']);
      const replaced = await restoreAndCompare({ path: target }, captured, { overwrite: true });
      expect(replaced.differenceCount).toBe(0);
      expect(readdirSync(target).sort()).toEqual(['a', 'sub']);
      expect(around(folder)).toEqual(['.target.stasis-restore.json', 'target']);
    },
  );

  test('does not replace what filled up while it was loaded', async () => {
    using folder = scratch();
    const captured = await source(folder);
    const target = folder.at('target');
    mkdirSync(target);
    await using held = await load({ path: target }, captured);
    writeFileSync(`${target}/meanwhile`, '');
    await expect(held.release()).rejects.toMatchObject({ code: 'files.not-empty' });
    await held[Symbol.asyncDispose]();
    expect(around(folder)).toEqual(['target']);
    expect(readdirSync(target)).toEqual(['meanwhile']);
  });

  test('through a link replaces what the link names', async () => {
    using folder = scratch();
    const captured = await source(folder);
    mkdirSync(folder.at('real'));
    symlinkSync('real', folder.at('link'));
    expect((await restoreAndCompare({ path: folder.at('link') }, captured)).differenceCount).toBe(0);
    expect(readFileSync(folder.at('real', 'a'), 'utf8')).toBe('captured');
  });
});

describe('a damaged store', () => {
  const damages: readonly [string, (blobs: BlobReader) => BlobReader][] = [
    ['a flipped byte', (blobs) => ({ ...blobs, get: (digest) => flipped(blobs.get(digest)) })],
    ['a blob cut short', (blobs) => ({ ...blobs, get: (digest) => cut(blobs.get(digest)) })],
    ['a blob that is gone', (blobs) => ({ ...blobs, get: () => failing() })],
  ];
  async function* flipped(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let at = 0;
    for await (const chunk of chunks) {
      const copy = Uint8Array.from(chunk);
      if (at <= 5 && at + copy.length > 5) copy[5 - at]! ^= 1;
      at += copy.length;
      yield copy;
    }
  }
  async function* cut(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      yield chunk.subarray(0, chunk.length - 1);
      return;
    }
  }
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield* stream([]);
    throw Object.assign(new Error('gone'), { code: 'store.damaged' });
  }

  test.each(damages)('%s ends a restore, and nothing is left or changed', async (_, damage) => {
    using folder = scratch();
    const captured = await source(folder);
    const content = contentOf(captured.member);
    const listing = content.listing.digest;
    for (const victim of captured.blobs.contents.keys()) {
      // Read once all is loaded, and missed by nobody but who warms.
      if (victim === content.hot?.digest) continue;
      const broken = damage(captured.blobs);
      const blobs: BlobReader = {
        has: captured.blobs.has,
        get: (digest, range) => (digest === victim ? broken : captured.blobs).get(digest, range),
      };
      await expect(
        load({ path: folder.at('target') }, { member: captured.member, blobs }),
      ).rejects.toMatchObject({
        code: expect.stringMatching(victim === listing ? /^(store|files)\.damaged/ : /^store\.damaged$/),
      });
      expect(around(folder)).toEqual([]);
    }
  });
});

test('the loaded tree can be compared before its release, and after', async () => {
  using folder = scratch();
  const captured = await source(folder);
  await using held = await load({ path: folder.at('target') }, captured);
  for (let twice = 0; twice < 2; twice += 1) {
    const same = await compareFingerprints(stream(captured.fingerprint), held.fingerprint(), 0);
    expect(same).toMatchObject({ differenceCount: 0, equal: captured.fingerprint.length });
    await held.release();
  }
});
