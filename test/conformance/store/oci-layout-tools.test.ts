import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from '@jest/globals';
import type { Digest } from '../../../provider/core/digest.ts';
import type { SealedSnapshot, Store } from '../../../provider/core/store.ts';
import { ociLayout } from '../../../provider/stores/oci-layout/type.ts';
import { endIdlePool } from '../../../provider/stores/pack/pool.ts';
import { testContext } from '../../support/context.ts';
import { testUnless } from '../../support/skipped.ts';
import { blobFile, blobsOf, keepCacheApart } from './oci-layout.ts';
import { captureInto, MB, OWNER, readMembers, sampleBytes } from './samples.ts';

const run = promisify(execFile);
const members = { orders: sampleBytes(1, 3 * MB), web: sampleBytes(2, MB) };

keepCacheApart();
afterAll(endIdlePool);

interface Fixture extends AsyncDisposable {
  readonly folder: string;
  readonly path: string;
  readonly store: Store;
  readonly sealed: SealedSnapshot;
}

/** A store with two generations of `shop`. */
async function fixture(): Promise<Fixture> {
  const folder = await mkdtemp(join(await realpath(tmpdir()), 'stasis-tools-'));
  const path = join(folder, 'a');
  const store = await ociLayout.open({ path }, testContext());
  await captureInto(store, 'shop', { ...members, web: sampleBytes(3, MB) });
  const sealed = await captureInto(store, 'shop', members);
  return {
    folder,
    path,
    store,
    sealed,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** On PATH, else where the house keeps its tools. */
async function find(program: string): Promise<string | undefined> {
  const tools = join(homedir(), '.cache', 'stasis', 'tools');
  const kept = existsSync(tools) ? (await readdir(tools)).map((name) => join(tools, name)) : [];
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...kept];
  return folders.map((folder) => join(folder, program)).find((file) => existsSync(file));
}

const SKOPEO = await find('skopeo');
const ORAS = await find('oras');
const NO_SKOPEO = SKOPEO === undefined ? 'skopeo is not on this machine' : undefined;
const NO_ORAS = ORAS === undefined ? 'oras is not on this machine' : undefined;

/** A copy made by another tool is the same snapshot, which a store of ours reads in full. */
async function expectSame(
  path: string,
  name: string,
  digest: Digest,
  generations: readonly number[] = [2],
): Promise<Store> {
  const copy = await ociLayout.open({ path }, testContext());
  const record = await copy.name(name);
  expect(record?.generations.map(({ generation }) => generation)).toEqual(generations);
  expect(record?.generations.find((entry) => entry.generation === 2)).toMatchObject({ digest });
  expect(await copy.verify(digest, 'content', testContext())).toEqual([]);
  expect((await copy.verifyAll('content', testContext())).findings).toEqual([]);
  const read = await readMembers(copy, name, digest);
  for (const [member, bytes] of Object.entries(members)) expect(read[member]!.equals(bytes)).toBe(true);
  return copy;
}

describe('tools of others', () => {
  for (const option of ['--preserve-digests', '--quiet'])
    testUnless(NO_SKOPEO)(`skopeo copies there and back with an unchanged digest: ${option}`, async () => {
      await using from = await fixture();
      const { path, sealed, folder } = from;
      const there = join(folder, 'b');
      const copy = (source: string, target: string) => run(SKOPEO!, ['copy', '-q', option, source, target]);
      await copy(`oci:${path}:shop`, `oci:${there}:shop`);
      const store = await expectSame(there, 'shop', sealed.digest);

      // Back, to where it came from and to an empty one.
      await copy(`oci:${there}:shop`, `oci:${path}:shop`);
      const generations = (await from.store.name('shop'))?.generations;
      expect(generations?.map(({ digest, generation }) => [generation, digest === sealed.digest])).toEqual([
        [2, true],
        [1, false],
      ]);
      expect(await from.store.verify(sealed.digest, 'content', testContext())).toEqual([]);
      expect((await from.store.verifyAll('content', testContext())).findings).toEqual([]);
      await copy(`oci:${there}:shop`, `oci:${join(folder, 'c')}:shop`);
      await expectSame(join(folder, 'c'), 'shop', sealed.digest);

      // The copy is nobody's: whoever captures next owns it, and shares its chunks.
      const next = await captureInto(store, 'shop', members, 'resource:elsewhere');
      expect(next.generation).toBe(3);
      await expectSame(there, 'shop', sealed.digest, [3, 2]);
      await store.remove('shop', 'resource:elsewhere', [3], testContext());
      await expectSame(there, 'shop', sealed.digest);
      expect((await store.verifyAll('content', testContext())).findings).toEqual([]);
      expect(next.manifest.newBytes).toBeLessThan(5000);
      await expect(store.begin('shop', OWNER, testContext())).rejects.toMatchObject({
        code: 'store.owned',
      });
    });

  testUnless(NO_ORAS)('oras copies there and back with an unchanged digest', async () => {
    await using from = await fixture();
    const { path, sealed, folder } = from;
    const copy = (source: string, target: string) =>
      run(ORAS!, ['cp', '--from-oci-layout', '--to-oci-layout', source, target]);
    await copy(`${path}:shop`, `${join(folder, 'b')}:shop`);
    await expectSame(join(folder, 'b'), 'shop', sealed.digest);
    await copy(`${join(folder, 'b')}:shop`, `${join(folder, 'c')}:shop`);
    await expectSame(join(folder, 'c'), 'shop', sealed.digest);
    // Back to where it came from, under a name of its own.
    await copy(`${join(folder, 'b')}:shop`, `${path}:other`);
    expect((await from.store.verifyAll('content', testContext())).findings).toEqual([]);
  });

  const note = {
    ...{ artifactType: 'application/vnd.stasis.note.v1', mediaType: 'text/plain' },
    ...{
      content: Buffer.from('said afterwards'),
      createdAt: '2026-11-26T12:00:00.000Z',
      annotations: { by: 'us' },
    },
  };

  testUnless(NO_ORAS)('oras takes what is attached to a snapshot along, and is shown it', async () => {
    await using from = await fixture();
    const { path, sealed, folder, store } = from;
    const digest = await store.attach('shop', sealed.digest, note, testContext());
    expect(await store.attach('shop', sealed.digest, note, testContext())).toBe(digest);
    expect((await run(ORAS!, ['discover', '--oci-layout', `${path}:shop`])).stdout).toContain(digest);
    const copy = (source: string, target: string) =>
      run(ORAS!, ['cp', '-r', '--from-oci-layout', '--to-oci-layout', source, target]);
    await copy(`${path}:shop`, `${join(folder, 'b')}:shop`);
    const there = await expectSame(join(folder, 'b'), 'shop', sealed.digest);
    expect(await there.attachments(sealed.digest, note.artifactType)).toEqual([{ ...note, digest }]);
    await copy(`${join(folder, 'b')}:shop`, `${path}:shop`);
    expect(await store.attachments(sealed.digest, note.artifactType)).toHaveLength(1);
    expect((await store.verifyAll('content', testContext())).findings).toEqual([]);
    // It goes with its snapshot, also where another tool has brought both.
    await there.adopt('shop', OWNER);
    await there.remove('shop', OWNER, [2], testContext());
    expect(await there.names('')).toEqual(new Map());
    expect(await readFile(join(folder, 'b/index.json'), 'utf8')).not.toContain(digest);
  });

  testUnless(NO_SKOPEO)('skopeo copies a snapshot that something is attached to', async () => {
    await using from = await fixture();
    const { path, sealed, folder, store } = from;
    await store.attach('shop', sealed.digest, note, testContext());
    await run(SKOPEO!, [
      'copy',
      '-q',
      '--preserve-digests',
      `oci:${path}:shop`,
      `oci:${join(folder, 'b')}:shop`,
    ]);
    await expectSame(join(folder, 'b'), 'shop', sealed.digest);
    await run(SKOPEO!, [
      'copy',
      '-q',
      '--preserve-digests',
      `oci:${join(folder, 'b')}:shop`,
      `oci:${path}:shop`,
    ]);
    expect(await store.attachments(sealed.digest, note.artifactType)).toMatchObject([
      { content: note.content },
    ]);
    expect((await store.verifyAll('content', testContext())).findings).toEqual([]);
  });

  test('zstd reads every pack, and finds in them what was captured', async () => {
    await using from = await fixture();
    const packs: Buffer[] = [];
    for (const blob of await blobsOf(from.path, from.sealed.digest)) {
      const bytes = await readFile(blobFile(from.path, blob));
      if (bytes.readUInt32LE(0) !== 0xfd2fb528) continue;
      packs.push(execFileSync('zstd', ['-dc', '-q'], { input: bytes, maxBuffer: 1 << 28, timeout: 30_000 }));
    }
    expect(packs.length).toBeGreaterThan(0);
    const row = /row \d{6,9} paid\n/.exec(members.orders.toString('latin1'))![0];
    expect(Buffer.concat(packs).includes(row)).toBe(true);
  });

  const IMAGE = 'an image of another tool in the same layout is none of our snapshots, and its blobs stay';
  testUnless(NO_SKOPEO)(IMAGE, async () => {
    await using from = await fixture();
    const image = join(from.folder, 'image');
    await mkdir(join(image, 'blobs', 'sha256'), { recursive: true });
    await writeImage(image);
    await run(SKOPEO!, ['copy', '-q', `oci:${image}:app`, `oci:${from.path}:app`]);
    expect([...(await from.store.names('')).keys()]).toEqual(['shop']);
    const { findings, snapshots } = await from.store.verifyAll('content', testContext());
    expect([findings, snapshots.length]).toEqual([[], 2]);
    await from.store.remove('shop', OWNER, [1, 2], testContext());
    await run(SKOPEO!, ['copy', '-q', `oci:${from.path}:app`, `oci:${join(from.folder, 'again')}:app`]);
  });
});

/** A small ordinary image, in the layout's own terms. */
async function writeImage(path: string): Promise<void> {
  const { hash } = await import('node:crypto');
  const write = async (mediaType: string, content: unknown) => {
    const bytes = typeof content === 'string' ? Buffer.from(content) : Buffer.from(JSON.stringify(content));
    const hex = hash('sha256', bytes, 'hex');
    await writeFile(join(path, 'blobs', 'sha256', hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const layer = await write('application/vnd.oci.image.layer.v1.tar', 'x'.repeat(1024));
  const rootfs = { type: 'layers', diff_ids: [layer.digest] };
  const config = await write('application/vnd.oci.image.config.v1+json', {
    architecture: 'amd64',
    os: 'linux',
    rootfs,
  });
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = await write(mediaType, { schemaVersion: 2, mediaType, config, layers: [layer] });
  const annotations = { 'org.opencontainers.image.ref.name': 'app' };
  const index = { schemaVersion: 2, manifests: [{ ...manifest, annotations }] };
  await writeFile(join(path, 'index.json'), JSON.stringify(index));
  await writeFile(join(path, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
}

describe('a copied folder', () => {
  test('is the same store elsewhere, with its names and owners', async () => {
    await using from = await fixture();
    const there = join(from.folder, 'moved');
    await cp(from.path, there, { recursive: true });
    const store = await ociLayout.open({ path: there }, testContext());
    expect(await store.name('shop')).toEqual(await from.store.name('shop'));
    expect((await captureInto(store, 'shop', members)).generation).toBe(3);
  });
});
