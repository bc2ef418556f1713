import { changedEntry, type Images, splitEntries } from './image.ts';
import { FILE, REGULAR } from './protocol.ts';
import { mendTimer } from './timers.ts';
import { Message, withBytes, withNumbers } from './wire.ts';

/**
 * files.img as it has to be restored; undefined where it is right.
 * @param paths of files that were dumped under a name of CRIU's own, and are restored by their path, by that name
 */
export async function mendedFiles(
  images: Images,
  paths: ReadonlyMap<string, string>,
): Promise<Uint8Array | undefined> {
  const { head, entries } = await splitEntries(images, 'files.img');
  let mended = false;
  const files = entries.map(({ message, bytes }) => {
    const path = paths.get(message.message(REGULAR)?.text(FILE.name) ?? '');
    if (path === undefined) {
      mended = mendTimer(message) || mended;
      return bytes;
    }
    mended = true;
    return changedEntry(bytes, (file) => withPath(file, path));
  });
  return mended ? Buffer.concat([head, ...files]) : undefined;
}

function withPath(file: Uint8Array, path: string): Uint8Array {
  const regular = withNumbers(new Message(file).bytes(REGULAR), { [FILE.isExternal]: 0 });
  return withBytes(file, REGULAR, withBytes(regular, FILE.name, Buffer.from(path)));
}
