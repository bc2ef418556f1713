import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, jest, test } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import {
  type Captured,
  captureQuietly,
  host,
  load,
  restoreAndCompare,
  type Scratch,
  scratch,
  stream,
} from '../../../test/support/files-capture.ts';
import type { RestorePlan } from '../../core/driver.ts';
import { compareFingerprints } from '../../core/fingerprint.ts';
import type { Host } from '../../core/host.ts';
import type { BlobReader } from '../../core/store.ts';
import { filesDriver } from './driver.ts';

/** Programs are started, on machines that may be busy. */
jest.setTimeout(120_000);

async function source(folder: Scratch): Promise<Captured> {
  mkdirSync(folder.at('source', 'sub'), { recursive: true });
  writeFileSync(folder.at('source', 'a'), 'captured');
  writeFileSync(folder.at('source', 'sub', 'b'), Buffer.alloc(900_000, 'b'));
  return captureQuietly({ path: folder.at('source') });
}

function plan(path: string, captured: Captured, at: Host = host): Promise<RestorePlan> {
  return filesDriver.planRestore({ path }, at, captured.member, testContext());
}

function codes(planned: { readonly problems: readonly { readonly code: string }[] }): string[] {
  return planned.problems.map((problem) => problem.code);
}

/** All there is beside the source, hidden names too. */
function around(folder: Scratch): string[] {
  return readdirSync(folder.path)
    .filter((name) => name !== 'source')
    .sort();
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
    const listing = (captured.capture.content as { listing: { digest: string } }).listing.digest;
    for (const victim of captured.blobs.contents.keys()) {
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

describe('a restore that died', () => {
  /** Stops for good at a point, as kill -9 would: nothing is disposed of. */
  async function dead(
    folder: Scratch,
    captured: Captured,
    before: 'release' | 'nothing',
  ): Promise<unknown[]> {
    const entries: unknown[] = [];
    const held = await load({ path: folder.at('target') }, captured, {
      overwrite: true,
      journal: async (entry) => {
        entries.push(JSON.parse(JSON.stringify(entry)));
      },
    });
    if (before === 'release') await held.release();
    return entries;
  }
  const undo = async (folder: Scratch, entries: readonly unknown[]): Promise<void> => {
    for (const entry of entries.toReversed())
      await filesDriver.undo({ path: folder.at('target') }, host, entry, testContext());
  };
  const fill = (folder: Scratch): void => {
    mkdirSync(folder.at('target'));
    writeFileSync(folder.at('target', 'old'), 'old');
  };

  test('while it loaded is undone, any number of times', async () => {
    using folder = scratch();
    const captured = await source(folder);
    fill(folder);
    const entries = await dead(folder, captured, 'nothing');
    expect(around(folder)).toHaveLength(2);
    for (let times = 0; times < 3; times += 1) {
      await undo(folder, entries);
      expect(around(folder)).toEqual(['target']);
      expect(readdirSync(folder.at('target'))).toEqual(['old']);
    }
  });

  test('between its two renames is undone: the old is back', async () => {
    using folder = scratch();
    const captured = await source(folder);
    fill(folder);
    const entries = await dead(folder, captured, 'nothing');
    const staging = around(folder).find((name) => name.includes('.stasis-'))!;
    renameSync(folder.at('target'), folder.at(staging, 'old'));
    for (let times = 0; times < 2; times += 1) {
      await undo(folder, entries);
      expect(around(folder)).toEqual(['target']);
      expect(readFileSync(folder.at('target', 'old'), 'utf8')).toBe('old');
    }
  });

  test('after the swap, and before the old one was removed, is done: the new one stays', async () => {
    using folder = scratch();
    const captured = await source(folder);
    fill(folder);
    const entries = await dead(folder, captured, 'release');
    const [entry] = entries as { restoreId: string }[];
    expect(entry?.restoreId).toBe('restore-1');
    // As if it had died just before the old tree was removed.
    const again = await load({ path: folder.at('other') }, captured);
    const staging = around(folder).find((name) => name.startsWith('.other.stasis-'))!;
    await again[Symbol.asyncDispose]();
    mkdirSync(folder.at(staging.replace('.other', '.target'), 'old'), { recursive: true });
    await undo(folder, entries);
    expect(around(folder)).toEqual(['.target.stasis-restore.json', 'target']);
    expect(readFileSync(folder.at('target', 'a'), 'utf8')).toBe('captured');
    expect(await plan(folder.at('target'), captured)).toMatchObject({ restoredBy: 'restore-1' });
  });

  test('never costs what somebody made in the meantime', async () => {
    using folder = scratch();
    const captured = await source(folder);
    fill(folder);
    const entries = await dead(folder, captured, 'nothing');
    const staging = around(folder).find((name) => name.includes('.stasis-'))!;
    renameSync(folder.at('target'), folder.at(staging, 'old'));
    mkdirSync(folder.at('target'));
    await expect(undo(folder, entries)).rejects.toMatchObject({ code: 'files.undo-conflict' });
    expect(readFileSync(folder.at(staging, 'old', 'old'), 'utf8')).toBe('old');
    expect(existsSync(folder.at('target'))).toBe(true);
  });

  test('is followed by another that converges', async () => {
    using folder = scratch();
    const captured = await source(folder);
    await dead(folder, captured, 'nothing');
    expect((await restoreAndCompare({ path: folder.at('target') }, captured)).differenceCount).toBe(0);
    expect(around(folder)).toEqual(['.target.stasis-restore.json', 'target']);
  });

  test('whose journal is about another place touches nothing', async () => {
    using folder = scratch();
    const captured = await source(folder);
    const entries = await dead(folder, captured, 'nothing');
    const elsewhere = filesDriver.undo({ path: folder.at('elsewhere') }, host, entries[0], testContext());
    await expect(elsewhere).rejects.toMatchObject({ code: 'files.journal-mismatch' });
    await expect(
      filesDriver.undo({ path: folder.at('target') }, host, { remove: '/' }, testContext()),
    ).rejects.toMatchObject({ code: 'files.malformed-journal' });
    rmSync(folder.path, { recursive: true });
    await filesDriver.undo({ path: folder.at('target') }, host, entries[0], testContext());
  });
});

describe('what would keep a restore from succeeding is told in its plan', () => {
  test('a parent that is not there, a link to nothing, the root', async () => {
    using folder = scratch();
    const captured = await source(folder);
    symlinkSync('nothing', folder.at('dangling'));
    expect(codes(await plan(folder.at('no', 'where'), captured))).toEqual(['files.no-parent']);
    expect(codes(await plan(folder.at('dangling'), captured))).toEqual(['files.dangling']);
    expect(codes(await plan('/', captured))).toEqual(['files.root']);
    expect(codes(await plan(folder.at('source', 'a', 'x'), captured))).toEqual(['files.bad-path']);
  });

  test('a mount point', async () => {
    using folder = scratch();
    expect(codes(await plan('/proc', await source(folder)))).toContain('files.mount-point');
  });

  test('too little room, for bytes or for files', async () => {
    using folder = scratch();
    const captured = await source(folder);
    const huge = { ...captured, member: { ...captured.member, sizeBytes: 2 ** 60 } };
    expect(codes(await plan(folder.at('target'), huge))).toEqual(['files.no-space']);
    const content = { ...(captured.member.content as object), entries: 2 ** 48 };
    const many = { ...captured, member: { ...captured.member, content } };
    expect(codes(await plan(folder.at('target'), many))).toEqual(['files.no-space']);
  });

  test('missing programs', async () => {
    using folder = scratch();
    mkdirSync(folder.at('source'));
    writeFileSync(folder.at('source', 'x'), '');
    execFileSync('setfattr', ['-n', 'user.a', '-v', 'b', folder.at('source', 'x')]);
    const captured = await captureQuietly({ path: folder.at('source') });
    const bare: Host = { ...host, which: async () => undefined };
    expect(codes(await plan(folder.at('target'), captured, bare)).sort()).toEqual([
      'files.attributes-tool-missing',
      'files.tar-missing',
    ]);
  });

  test('a snapshot of a newer Stasis, and one that is malformed', async () => {
    using folder = scratch();
    const captured = await source(folder);
    const newer = { ...captured, member: { ...captured.member, contentVersion: 99 } };
    expect(codes(await plan(folder.at('target'), newer))).toEqual(['files.newer-content']);
    const malformed = { ...captured, member: { ...captured.member, content: { listing: 1 } } };
    expect(codes(await plan(folder.at('target'), malformed))).toEqual(['files.malformed-content']);
  });

  test('another machine', async () => {
    using folder = scratch();
    const captured = await source(folder);
    const far: Host = { ...host, name: '10.0.0.4' };
    expect(codes(await plan(folder.at('target'), captured, far))).toEqual(['files.not-local']);
    expect(codes(await filesDriver.plan({ path: folder.path }, far, testContext()))).toEqual([
      'files.not-local',
    ]);
    await expect(filesDriver.prepare({ path: folder.path }, far, testContext())).rejects.toMatchObject({
      code: 'files.not-local',
    });
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
