import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import {
  type Captured,
  captureQuietly,
  load,
  observe,
  scratch,
  stream,
} from '../../../test/support/files-capture.ts';
import { everything } from '../../../test/support/files-everything.ts';
import { compareFingerprints } from '../../core/fingerprint.ts';

/** Each starts many programs, on machines that may be busy. */
jest.setTimeout(240_000);

describe('one thing changed is named', () => {
  const cases: readonly [string, string, (target: string) => void][] = [
    ['a byte', 'file/sub/large', (t) => patch(`${t}/sub/large`, 1_500_000)],
    ['a byte of a small file, with its times kept', 'file/plain.txt', (t) => patch(`${t}/plain.txt`, 3)],
    ['a mode', 'file/setuid', (t) => chmodSync(`${t}/setuid`, 0o755)],
    ['a time, by a nanosecond’s thousandfold', 'file/empty', (t) => utimesSync(`${t}/empty`, 1, 1.000001)],
    [
      'a link’s target',
      'file/link',
      (t) => {
        rmSync(`${t}/link`);
        symlinkSync('empty', `${t}/link`);
      },
    ],
    ['a file gone', 'file/empty', (t) => rmSync(`${t}/empty`)],
    ['a file more', 'file/sub/new', (t) => writeFileSync(`${t}/sub/new`, '')],
    ['a name', 'file/renamed', (t) => renameSync(`${t}/empty`, `${t}/renamed`)],
    [
      'a hard link cut',
      'file/sub/hard',
      (t) => execFileSync('sh', ['-c', 'cp -p "$1" "$1.x" && mv "$1.x" "$1"', 'sh', `${t}/sub/hard`]),
    ],
    [
      'an attribute',
      'file/empty',
      (t) => execFileSync('setfattr', ['-n', 'user.a', '-v', 'b', `${t}/empty`]),
    ],
    ['the root’s mode', 'file/.', (t) => chmodSync(t, 0o700)],
  ];
  let captured: Captured;
  beforeAll(async () => {
    using folder = scratch();
    everything(folder.at('source'));
    chmodSync(folder.at('source'), 0o755);
    captured = await captureQuietly({ path: folder.at('source') });
  });

  test.each(cases)('%s', async (_, object, change) => {
    using folder = scratch();
    const target = folder.at('target');
    await using held = await load({ path: target }, captured);
    await held.release();
    change(target);
    const { differences } = await compareFingerprints(
      stream(captured.fingerprint),
      observe({ path: target }),
      0,
    );
    expect(differences.map((difference) => difference.object)).toContain(object);
    expect(differences.length).toBeLessThanOrEqual(5);
  });
});

/** Flips a byte and gives the file its time back. */
function patch(path: string, offset: number): void {
  const { atimeMs, mtimeMs } = statSync(path);
  const fd = openSync(path, 'r+');
  writeSync(fd, '!', offset);
  closeSync(fd);
  utimesSync(path, atimeMs / 1000, mtimeMs / 1000);
}
