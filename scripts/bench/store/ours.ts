/**
 * Our side of the store's bench, as a process of its own: `capture STORE FILE CHUNKING` seals a generation of one
 * file, `restore STORE FILE` writes the newest one out. It goes through the same interfaces as everything else.
 */
import { open } from 'node:fs/promises';
import { startClock } from '../../../provider/core/clock.ts';
import type { Context } from '../../../provider/core/context.ts';
import type { Chunking, SealInput, Store } from '../../../provider/core/store.ts';
import { ociLayout } from '../../../provider/stores/oci-layout/type.ts';

const NAME = 'bench';
const MEMBER = 'image';
const READ_BYTES = 1024 * 1024;

const context: Context = {
  signal: new AbortController().signal,
  clock: startClock(),
  logger: { log: () => {} },
  progress: () => {},
};

async function* readFile(file: string): AsyncGenerator<Uint8Array> {
  const handle = await open(file);
  try {
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, READ_BYTES);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

async function capture(store: Store, file: string, chunking: Chunking): Promise<void> {
  await using draft = await store.begin(NAME, 'bench', context);
  const blob = await draft.blobs(MEMBER).put(readFile(file), { chunking });
  const now = new Date().toISOString();
  const manifest: SealInput['manifest'] = {
    formatVersion: 1,
    name: NAME,
    cutAt: now,
    sharp: true,
    blurMs: 0,
    pauseMs: 0,
    certificate: { formatVersion: 1, startedAt: now, members: {}, pauses: [] },
    members: {
      [MEMBER]: {
        driver: 'bench',
        endpoint: file,
        fidelity: 'identical',
        contentVersion: 1,
        content: blob.digest,
        sizeBytes: blob.sizeBytes,
        summary: '1 file',
        coverage: { layers: ['data'], outside: [] },
        system: {},
        fingerprint: { ...blob, entries: 1 },
      },
    },
    sizeBytes: blob.sizeBytes,
    createdBy: 'bench',
  };
  await draft.seal({ manifest });
}

async function restore(store: Store, file: string): Promise<void> {
  const newest = (await store.name(NAME))!.generations[0]!;
  const snapshot = await store.open(NAME, newest.digest, context);
  const { digest } = snapshot.manifest.members[MEMBER]!.fingerprint;
  const handle = await open(file, 'w');
  try {
    for await (const piece of snapshot.blobs(MEMBER).get(digest)) await handle.write(piece);
  } finally {
    await handle.close();
  }
}

const [what, path, file, chunking] = process.argv.slice(2);
const store = await ociLayout.open({ path: path! }, context);
if (what === 'capture') await capture(store, file!, chunking as Chunking);
else await restore(store, file!);
