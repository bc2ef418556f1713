import { describe, expect, test } from '@jest/globals';
import { memoryBlobs } from '../../../test/support/context.ts';
import { stream } from '../../../test/support/files-capture.ts';
import { decodeListing, encodeListing, type ListedEntry } from './listing.ts';

const FOLDER = { kind: 'directory', mode: 0o755, uid: 0, gid: 0, mtimeNs: '0' };
const FILE = { ...FOLDER, kind: 'file', mode: 0o644, sizeBytes: 0 };

async function decode(lines: readonly unknown[]): Promise<ListedEntry[]> {
  const blobs = memoryBlobs();
  const text = lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join('');
  return decodeListing(await blobs.put(stream([Buffer.from(text)]), { chunking: 'content' }), blobs);
}

describe('a listing', () => {
  test('is read back as it was written', async () => {
    const blobs = memoryBlobs();
    const blob = await blobs.put(stream([Buffer.from('0123456789')]), { chunking: 'content' });
    const entries: ListedEntry[] = [
      {
        path: Buffer.alloc(0),
        kind: 'directory',
        mode: 0o1777,
        uid: 1,
        gid: 2,
        mtimeNs: -5n,
        sizeBytes: 0,
        sparse: false,
        attributes: [{ name: 'user.\xff', value: Buffer.from([0, 255]) }],
      },
      {
        path: Buffer.from([0xff]),
        kind: 'file',
        mode: 0o4755,
        uid: 1,
        gid: 2,
        mtimeNs: 1_700_000_000_123_456_789n,
        sizeBytes: 7,
        sparse: true,
        content: { blob, offset: 3 },
        attributes: [],
      },
      {
        path: Buffer.from('b'),
        kind: 'file',
        mode: 0o4755,
        uid: 1,
        gid: 2,
        mtimeNs: 1n,
        sizeBytes: 7,
        sparse: false,
        linkTo: Buffer.from([0xff]),
        attributes: [],
      },
      {
        path: Buffer.from('l'),
        kind: 'symlink',
        mode: 0o777,
        uid: 1,
        gid: 2,
        mtimeNs: 1n,
        sizeBytes: 0,
        sparse: false,
        target: Buffer.from([0x2f, 0xfe]),
        attributes: [],
      },
    ];
    const listing = await blobs.put(encodeListing(entries), { chunking: 'content' });
    expect(await decodeListing(listing, blobs)).toEqual(entries);
  });

  // What a forged snapshot would use to write outside of the target.
  test.each<[string, readonly unknown[]]>([
    [
      'a path upwards',
      [
        { ...FOLDER, path: '' },
        { ...FILE, path: '../x' },
      ],
    ],
    [
      'an absolute path',
      [
        { ...FOLDER, path: '' },
        { ...FILE, path: '/etc/x' },
      ],
    ],
    [
      'a path through a link',
      [
        { ...FOLDER, path: '' },
        { ...FOLDER, kind: 'symlink', path: 'l', target: '/etc' },
        { ...FILE, path: 'l/x' },
      ],
    ],
    [
      'a path twice',
      [
        { ...FOLDER, path: '' },
        { ...FILE, path: 'a' },
        { ...FILE, path: 'a' },
      ],
    ],
    [
      'a link to what is not in it',
      [
        { ...FOLDER, path: '' },
        { ...FILE, path: 'a', linkTo: 'b' },
      ],
    ],
    [
      'content beyond a blob',
      [
        { blob: `sha256-64k:${'0'.repeat(64)}`, sizeBytes: 4 },
        { ...FILE, path: '', sizeBytes: 9, content: [0, 0] },
      ],
    ],
    ['content of no blob', [{ ...FILE, path: '', sizeBytes: 9, content: [3, 0] }]],
    ['no root', [{ ...FILE, path: 'a' }]],
    ['nothing', []],
    ['an unknown field', [{ ...FOLDER, path: '', more: 1 }]],
    ['no JSON', ['{']],
  ])('with %s is refused', async (_, lines) => {
    await expect(decode(lines)).rejects.toMatchObject({ code: 'files.damaged-listing' });
  });

  test('with a flipped byte is refused', async () => {
    const blobs = memoryBlobs();
    const listing = await blobs.put(stream([Buffer.from(`${JSON.stringify({ ...FOLDER, path: '' })}\n`)]), {
      chunking: 'content',
    });
    const bytes = blobs.contents.get(listing.digest)!;
    bytes[bytes.indexOf('493')] = 0x35;
    await expect(decodeListing(listing, blobs)).rejects.toMatchObject({ code: 'store.damaged' });
  });
});
