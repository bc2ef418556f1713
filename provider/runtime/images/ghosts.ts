import type { FingerprintEntry } from '../../core/fingerprint.ts';
import { digestOf } from '../../core/fingerprint-digest.ts';
import { type Images, readFirst } from './image.ts';

const [UID, GID, MODE] = [1, 2, 3];

/** Files that were deleted and are open still, by what is in them: their numbers are the dumping host's. */
export async function fingerprintGhosts(images: Images): Promise<FingerprintEntry[]> {
  const names = images.names.filter((name) => /^ghost-file-\w+\.img$/.test(name));
  const digests = await Promise.all(
    names.map(async (name) => {
      const { entry, rest } = await readFirst(images, name);
      const owner = [UID, GID, MODE].map((field) => entry.number(field!));
      return { digest: digestOf(...owner, rest), bytes: rest.length };
    }),
  );
  return digests
    .toSorted((a, b) => (a.digest < b.digest ? -1 : 1))
    .map(({ digest, bytes }, index) => ({ object: `deleted-file/${index}`, digest, facts: { bytes } }));
}
