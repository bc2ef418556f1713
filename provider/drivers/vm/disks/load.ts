import { StasisError } from '../../../core/errors.ts';
import type { Host } from '../../../core/host.ts';
import type { BlobReader } from '../../../core/store.ts';
import { sleep, within } from '../../../core/wait.ts';
import { runScript } from '../../../runtime/machine.ts';
import type { DiskContent } from '../content.ts';
import { NbdClient } from '../nbd/client.ts';
import { REGION_BYTES, readMap } from './map.ts';

const CREATE = 'qemu-img create -q -f "$1" -- "$2" "$3"';
const START_MS = 10_000;
/** So many writes are under way at once, so that a link's latency is not paid for each. */
const WRITES = 8;

/** Makes a disk's file beside the target and fills it; what is not written reads as zeros. */
export async function loadDisk(
  disk: DiskContent,
  folder: string,
  blobs: BlobReader,
  host: Host,
  signal: AbortSignal,
): Promise<void> {
  const path = `${folder}/${disk.file}`;
  await runScript(host, CREATE, [disk.format, path, String(disk.sizeBytes)], { signal });
  const { regions } = await readMap(blobs, disk.map.digest);
  if (regions.length === 0) return;
  await using server = await serve(path, disk.format, folder, host, signal);
  const running: Promise<void>[] = [];
  for (const [region, digest] of regions) {
    let at = region * REGION_BYTES;
    for await (const chunk of blobs.get(digest)) {
      const written = server.client.write(at, Uint8Array.from(chunk), signal);
      written.catch(() => {});
      running.push(written);
      at += chunk.length;
      if (running.length >= WRITES) await running.shift();
    }
  }
  await Promise.all(running);
  await server.client.flush(signal);
}

/** qemu-nbd for one file and one client; it ends with that client. */
async function serve(
  path: string,
  format: string,
  folder: string,
  host: Host,
  signal: AbortSignal,
): Promise<AsyncDisposable & { client: NbdClient }> {
  await using undo = new AsyncDisposableStack();
  const socket = `${folder}/stasis-nbd-${path.slice(folder.length + 1)}`;
  const argv = ['qemu-nbd', '-f', format, '--discard=unmap', '--cache=writeback', '-k', socket, '--', path];
  const server = await host.spawn(argv, { signal });
  undo.defer(async () => {
    // It ends with its client; one that never had any does not.
    await within(5_000, 'the end of qemu-nbd', undefined, () => server.ended).catch(() => server.kill());
    await host.run(['rm', '-f', '--', socket], { signal: new AbortController().signal, timeoutMs: START_MS });
  });
  let over: string | undefined;
  void server.ended.then(
    ({ stderr }) => {
      over = stderr;
    },
    () => {
      over = '';
    },
  );
  const untilMs = Date.now() + START_MS;
  for (;;) {
    const { status } = await host.run(['test', '-S', socket], { signal, timeoutMs: START_MS });
    if (status === 0) break;
    if (over !== undefined || Date.now() > untilMs)
      throw new StasisError(
        'vm.disk-not-written',
        `The disk ${path} cannot be written: ${over?.trim() ?? 'qemu-nbd does not start'}.`,
      );
    await sleep(10, signal);
  }
  const local = (await host.reach?.(socket, undefined, { signal }))?.path ?? socket;
  const client = undo.use(await NbdClient.open(local, '', undefined, signal));
  const open = undo.move();
  return { client, [Symbol.asyncDispose]: () => open.disposeAsync() };
}
