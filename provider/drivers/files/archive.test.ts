import { spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { memoryBlobs } from '../../../test/support/context.ts';
import { collect, scratch, stream } from '../../../test/support/files-capture.ts';
import { archiveOf } from './archive.ts';
import { findExtents } from './extents.ts';
import type { ListedEntry } from './listing.ts';

const PLAIN = { uid: 0, gid: 0, mode: 0o644, mtimeNs: 0n, sizeBytes: 0, sparse: false, attributes: [] };
const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];

/** The program's status; 0 also where it found a time implausibly old. */
function unpack(archive: readonly Uint8Array[], into: string): number | null {
  mkdirSync(into, { recursive: true });
  const done = spawnSync('tar', ['-x', '-p', '--numeric-owner', '-C', into], {
    input: Buffer.concat(archive),
  });
  return done.status;
}

test('GNU tar reads what we write: names of any bytes and length, times to the nanosecond, before 1970 too', async () => {
  using folder = scratch();
  const long = Buffer.from(`${'d'.repeat(180)}`);
  const odd = Buffer.from([0x61, 0xff, 0x0a, 0xc3, 0x5c]);
  const entries: ListedEntry[] = [
    {
      ...PLAIN,
      uid,
      gid,
      path: Buffer.alloc(0),
      kind: 'directory',
      mode: 0o755,
      mtimeNs: 1_700_000_000_123_456_789n,
    },
    { ...PLAIN, uid, gid, path: odd, kind: 'file', mtimeNs: -1_500_000_001n },
    {
      ...PLAIN,
      uid,
      gid,
      path: long,
      kind: 'symlink',
      target: Buffer.concat([long, Buffer.from('/x')]),
      mtimeNs: 5n,
    },
  ];
  expect(unpack(await collect(archiveOf(entries, 'tree', memoryBlobs())), folder.path)).toBe(0);
  const at = (name: Uint8Array): Buffer => Buffer.concat([Buffer.from(`${folder.at('tree')}/`), name]);
  expect(lstatSync(folder.at('tree'), { bigint: true }).mtimeNs).toBe(1_700_000_000_123_456_789n);
  expect(lstatSync(at(odd), { bigint: true }).mtimeNs).toBe(-1_500_000_001n);
  expect(lstatSync(at(long), { bigint: true }).mtimeNs).toBe(5n);
  expect(readlinkSync(at(long))).toBe(`${long}/x`);
});

test('files with holes come back with the same bytes and with their holes', async () => {
  using folder = scratch();
  let runs = 0;
  const page = fc.constantFrom(0, 0, 0, 7);
  await fc.assert(
    fc.asyncProperty(fc.array(page, { minLength: 1, maxLength: 40 }), fc.nat(5000), async (pages, tail) => {
      const content = Buffer.concat([
        ...pages.map((fill) => Buffer.alloc(4096, fill)),
        Buffer.alloc(tail, 1),
      ]);
      const blobs = memoryBlobs();
      const blob = await blobs.put(stream([content]), { chunking: 'pages-4k' });
      const root: ListedEntry = {
        ...PLAIN,
        uid,
        gid,
        path: Buffer.alloc(0),
        kind: 'file',
        sizeBytes: content.length,
        sparse: true,
        content: { blob, offset: 0 },
      };
      const into = folder.at(`run-${runs}`);
      runs += 1;
      expect(unpack(await collect(archiveOf([root], 'file', blobs)), into)).toBe(0);
      expect(readFileSync(`${into}/file`).equals(content)).toBe(true);
      const holes = pages.filter((fill) => fill === 0).length;
      expect(statSync(`${into}/file`).blocks * 512).toBeLessThanOrEqual(content.length + 4096 - holes * 4096);
    }),
    { numRuns: 40 },
  );
});

test('extents do not depend on how the content is cut into chunks', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(0, 1), { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 8 }),
      async (pages, cuts) => {
        const content = Buffer.concat(pages.map((fill) => Buffer.alloc(4096, fill)));
        const chunks: Buffer[] = [];
        for (let at = 0, turn = 0; at < content.length; turn += 1) {
          const length = cuts[turn % cuts.length]!;
          chunks.push(content.subarray(at, at + length));
          at += length;
        }
        expect(await findExtents(stream(chunks))).toEqual(await findExtents(stream([content])));
      },
    ),
  );
});
