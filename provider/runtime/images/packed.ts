import { damaged } from './wire.ts';

/** What lets a host pack the images that only describe, so that they travel as one stream; pages travel alone. */
export const PACK_IMAGES = `
cd -- "$1" || exit 1
set --
for name in *.img; do case $name in pages-*) ;; *) set -- "$@" "$name" ;; esac; done
tar --create --format=ustar --mtime=@0 --owner=0 --group=0 --numeric-owner --file=- -- "$@"
`;

const BLOCK_BYTES = 512;

/**
 * The files of such an archive. POSIX ustar: a header of 512 bytes with the name at 0, the size in octal at 124 and
 * the kind at 156, then the content in blocks; two empty blocks end it.
 * @throws StasisError `runtime.damaged-image`
 */
export async function unpackImages(archive: AsyncIterable<Uint8Array>): Promise<Map<string, Buffer>> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const files = new Map<string, Buffer>();
  for (let at = 0; at + BLOCK_BYTES <= bytes.length && bytes[at] !== 0; ) {
    const name = textAt(bytes, at, 100);
    const sizeBytes = Number.parseInt(textAt(bytes, at + 124, 12), 8);
    const from = at + BLOCK_BYTES;
    if (!/^[\w.-]+$/.test(name) || Number.isNaN(sizeBytes) || from + sizeBytes > bytes.length)
      throw damaged();
    files.set(name, bytes.subarray(from, from + sizeBytes));
    at = from + Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
  }
  if (files.size === 0) throw damaged();
  return files;
}

function textAt(bytes: Buffer, at: number, length: number): string {
  const field = bytes.subarray(at, at + length);
  const end = field.indexOf(0);
  return field
    .subarray(0, end === -1 ? length : end)
    .toString('latin1')
    .trim();
}
