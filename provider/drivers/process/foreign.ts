import type { OpenFile, TreeFacts } from '../../runtime/facts.ts';
import { PLAIN_DEVICES } from '../../runtime/obstacles.ts';

/** What is open and was opened in a place that the tree does not see: before it got mounts of its own, or by others. */
export function foreignFilesOf({ processes, mounts }: TreeFacts): OpenFile[] {
  return processes
    .flatMap(({ open }) => open)
    .filter(
      ({ target, mountId, type, isQueue }) =>
        target.startsWith('/') &&
        type !== '' &&
        // Nothing is known of what was closed between one look and the next.
        mountId !== '' &&
        !isQueue &&
        !mounts.has(mountId) &&
        !target.startsWith('/memfd:'),
    );
}

/** One that any place has, so that it does not matter where it was opened: the input of a unit with mounts of its own. */
export function isForeignDevice({ target, inode }: OpenFile): boolean {
  return PLAIN_DEVICES.includes(target) && inode !== '';
}

/** Their paths, by the names that CRIU dumps them under when told to (`--external file[MOUNT:INODE]`, in hexadecimal). */
export function foreignDevicesOf(facts: TreeFacts): ReadonlyMap<string, string> {
  const hexadecimal = (digits: string): string => BigInt(digits).toString(16);
  return new Map(
    foreignFilesOf(facts)
      .filter(isForeignDevice)
      .map((file) => [`file[${hexadecimal(file.mountId)}:${hexadecimal(file.inode)}]`, file.target]),
  );
}
