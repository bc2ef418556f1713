/**
 * Our side of the store's bench, as a process of its own: `capture STORE FILE CHUNKING` seals a generation of one
 * file, `restore STORE FILE` writes the newest one out. It goes through the same interfaces as everything else.
 */
import { open } from 'node:fs/promises';
import { startClock } from '../../../provider/core/clock.ts';
import type { Context } from '../../../provider/core/context.ts';
import { FORMAT_VERSION } from '../../../provider/core/manifest.ts';
import type { Chunking, SealInput, Store } from '../../../provider/core/store.ts';
import { ociLayout } from '../../../provider/stores/oci-layout/type.ts';

const NAME = 'bench';
const MEMBER = 'image';
const READ_BYTES = 1024 * 1024;
const WRITE_BYTES = 512 * 1024;

const context: Context = {
  signal: new AbortController().signal,
  clock: startClock(),
  logger: { log: () => {} },
  progress: () => {},
};

/** One read ahead of whoever takes the pieces, as the kernel would do for a pipe. */
async function* readFile(file: string): AsyncGenerator<Uint8Array> {
  const handle = await open(file);
  try {
    const buffers = [Buffer.allocUnsafeSlow(READ_BYTES), Buffer.allocUnsafeSlow(READ_BYTES)];
    const read = (turn: number) => handle.read(buffers[turn % 2]!, 0, READ_BYTES, turn * READ_BYTES);
    let next = read(0);
    for (let turn = 1; ; turn += 1) {
      const { bytesRead, buffer } = await next;
      if (bytesRead === 0) return;
      next = read(turn);
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
    formatVersion: FORMAT_VERSION,
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
    let gathered: Uint8Array[] = [];
    let gatheredBytes = 0;
    let writing: Promise<unknown> = Promise.resolve();
    const flush = async (): Promise<void> => {
      await writing;
      writing = handle.writev(gathered);
      gathered = [];
      gatheredBytes = 0;
    };
    for await (const piece of snapshot.blobs(MEMBER).get(digest)) {
      gathered.push(piece);
      gatheredBytes += piece.length;
      if (gatheredBytes >= WRITE_BYTES) await flush();
    }
    if (gathered.length > 0) await flush();
    await writing;
  } finally {
    await handle.close();
  }
}

const [what, path, file, chunking] = process.argv.slice(2);
const store = await ociLayout.open({ path: path! }, context);
if (what === 'capture') await capture(store, file!, chunking as Chunking);
else await restore(store, file!);
