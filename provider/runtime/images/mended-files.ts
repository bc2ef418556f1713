import { changedEntry, type Images, splitEntries } from './image.ts';
import { mendTimer } from './timers.ts';
import { Message, withBytes, withNumbers } from './wire.ts';

/** Of CRIU's fdinfo.proto, and of its regfile.proto: whether somebody else has to open it, and its name. */
const REGULAR = 3;
const [NAME, EXTERNAL] = [6, 9] as const;

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
    const path = paths.get(message.message(REGULAR)?.text(NAME) ?? '');
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
  const regular = withNumbers(new Message(file).bytes(REGULAR), { [EXTERNAL]: 0 });
  return withBytes(file, REGULAR, withBytes(regular, NAME, Buffer.from(path)));
}
