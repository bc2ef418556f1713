import {
  chmodSync,
  linkSync,
  mkdirSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { captureQuietly, restoreAndCompare, scratch } from '../../../test/support/files-capture.ts';

/** Each starts many programs, on machines that may be busy. */
jest.setTimeout(240_000);

const isRoot = process.getuid?.() === 0;
const SAME = { differences: [], differenceCount: 0 };

test('random trees come back as they were', async () => {
  using folder = scratch();
  const name = fc
    .uint8Array({ minLength: 1, maxLength: 12 })
    .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x5f : byte))))
    .filter((bytes) => !/^\.{1,2}$/.test(bytes.toString('latin1')));
  const kind = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('file' as const),
        content: fc.uint8Array({ maxLength: 20_000 }),
        repeat: fc.integer({ min: 1, max: 40 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('folder' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('symlink' as const), content: name }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('hard' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('hole' as const), sizeBytes: fc.nat(3_000_000) }) },
  );
  const step = fc.record({
    name,
    what: kind,
    mode: fc.integer({ min: 0, max: 0o777 }),
    times: fc.integer({ min: -1_000_000, max: 2_000_000_000 }),
    where: fc.nat(),
  });
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const source = folder.at(`s${runs}`);
      const target = folder.at(`t${runs}`);
      runs += 1;
      mkdirSync(source);
      const folders = [Buffer.from(source)];
      const files: Buffer[] = [];
      for (const { name: base, what, mode, times, where } of steps) {
        const path = Buffer.concat([folders[where % folders.length]!, Buffer.from('/'), base]);
        try {
          if (what.kind === 'folder') mkdirSync(path);
          else if (what.kind === 'symlink') symlinkSync(what.content, path);
          else if (what.kind === 'hard') linkSync(files[where % files.length] ?? path, path);
          else if (what.kind === 'hole') {
            writeFileSync(path, 'x', { flag: 'wx' });
            truncateSync(path, what.sizeBytes);
          } else writeFileSync(path, Buffer.concat(Array(what.repeat).fill(what.content)), { flag: 'wx' });
        } catch (error) {
          if (['EEXIST', 'ENOENT'].includes(String((error as NodeJS.ErrnoException).code))) continue;
          throw error;
        }
        if (what.kind === 'folder') folders.push(path);
        if (what.kind === 'file') files.push(path);
        if (what.kind !== 'symlink') {
          utimesSync(path, times, times + 0.5);
          chmodSync(path, isRoot ? mode : mode | 0o700);
        }
      }
      const captured = await captureQuietly({ path: source });
      expect(await restoreAndCompare({ path: target }, captured)).toMatchObject({
        ...SAME,
        equal: captured.fingerprint.length,
      });
      const again = await captureQuietly({ path: target });
      expect(again.fingerprint).toEqual(captured.fingerprint);
    }),
    { numRuns: 15, endOnFailure: true },
  );
});
