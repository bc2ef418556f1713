import { mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from '@jest/globals';
import type { Digest } from '../../../provider/core/digest.ts';
import { ociLayout } from '../../../provider/stores/oci-layout/type.ts';
import { mountSmallDisk, whyNoSmallDisk } from '../../support/small-disk.ts';
import type { FreshStore, StoredPart, StoreUnderTest } from './under-test.ts';

interface Described {
  readonly digest: string;
}

/** The store in a folder, for the suite. */
export const layoutUnderTest: StoreUnderTest = {
  type: ociLayout,

  async fresh() {
    const folder = await mkdtemp(join(await realpath(tmpdir()), 'stasis-store-'));
    return freshLayout(join(folder, 'snapshots'), () => rm(folder, { recursive: true, force: true }));
  },

  whyNoSmall: await whyNoSmallDisk(),

  async small(sizeBytes) {
    const folder = await mkdtemp(join(await realpath(tmpdir()), 'stasis-small-'));
    const mounted = join(folder, 'disk');
    const disk = await mountSmallDisk(mounted, `size=${sizeBytes}`);
    return freshLayout(join(mounted, 'snapshots'), async () => {
      await disk[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    });
  },
};

/** The cache of what has not changed lies in the user's own cache folder: not so in tests, nor in their children. */
export function keepCacheApart(): void {
  let folder: string;
  const before = process.env.XDG_CACHE_HOME;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stasis-cache-'));
    process.env.XDG_CACHE_HOME = folder;
  });
  afterAll(async () => {
    if (before === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = before;
    await rm(folder, { recursive: true, force: true });
  });
}

export function freshLayout(path: string, remove: () => Promise<void>): FreshStore {
  return {
    spec: { path },
    parts: (digest) => partsOf(path, digest),
    all: () => allOf(path),
    leftovers: () => leftoversOf(path),
    [Symbol.asyncDispose]: remove,
  };
}

export function blobFile(path: string, digest: string): string {
  return join(path, 'blobs', 'sha256', digest.replace('sha256:', ''));
}

/** Digests of a manifest's config and layers, config first. */
export async function blobsOf(path: string, digest: string): Promise<string[]> {
  const manifest = JSON.parse(await readFile(blobFile(path, digest), 'utf8')) as {
    config: Described;
    layers: Described[];
  };
  return [manifest.config, ...manifest.layers].map((blob) => blob.digest);
}

async function partsOf(path: string, digest: Digest): Promise<StoredPart[]> {
  const blobs = [digest, ...(await blobsOf(path, digest))].map((blob) => blobFile(path, blob));
  const shared = ['index.json', 'oci-layout'].map((name) => join(path, name));
  return Promise.all([...blobs, ...shared].map((file) => partOf(file, shared.includes(file))));
}

/** What is under these belongs to writers that live, and to no snapshot. */
const OF_WRITERS = ['locks', 'drafts', 'tmp'].map((name) => join('stasis', name));

async function allOf(path: string): Promise<StoredPart[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const kept = files.filter((file) => !OF_WRITERS.some((folder) => file.startsWith(join(path, folder))));
  return Promise.all(kept.map((file) => partOf(file, false)));
}

async function partOf(file: string, shared: boolean): Promise<StoredPart> {
  return {
    name: file,
    sizeBytes: (await stat(file)).size,
    shared,
    read: () => readFile(file),
    write: (bytes) => (bytes === undefined ? rm(file) : writeFile(file, bytes)),
  };
}

/** Drafts, temporary files, and blobs that no manifest names. */
async function leftoversOf(path: string): Promise<string[]> {
  const list = async (...parts: string[]): Promise<string[]> => {
    const names = await readdir(join(path, ...parts)).catch(() => []);
    return names.map((name) => join(...parts, name));
  };
  const needed = new Set<string>();
  const index = await readFile(join(path, 'index.json'), 'utf8').catch(() => '{"manifests":[]}');
  for (const { digest } of (JSON.parse(index) as { manifests: Described[] }).manifests)
    for (const blob of [digest, ...(await blobsOf(path, digest))]) needed.add(blob.replace('sha256:', ''));
  const blobs = (await list('blobs', 'sha256')).filter((name) => !needed.has(name.split('/').at(-1)!));
  return [...blobs, ...(await list('stasis', 'drafts')), ...(await list('stasis', 'tmp'))];
}
