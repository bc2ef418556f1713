import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { completeLock, missingPlatformPackages } from './lock.ts';

const ROOT = join(import.meta.dirname, '../..');

describe('the lock file', () => {
  test('of this package names the packages of all platforms, or npm ci would refuse it', () => {
    const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
    expect(missingPlatformPackages(lock).map(({ place }) => place)).toEqual([]);
  });

  test('is completed with version and platform, and then left alone', () => {
    const before = JSON.stringify({
      packages: {
        '': { name: 'x' },
        'node_modules/tool': {
          version: '1.2.3',
          dev: true,
          optionalDependencies: {
            '@tool/linux-x64-musl': '1.2.3',
            '@tool/darwin-arm64': '1.2.3',
            here: '2.0.0',
          },
        },
        'node_modules/tool/node_modules/here': { version: '2.0.0' },
      },
    });
    const after = completeLock(before);
    expect(JSON.parse(after).packages).toMatchObject({
      'node_modules/@tool/linux-x64-musl': {
        version: '1.2.3',
        os: ['linux'],
        cpu: ['x64'],
        libc: ['musl'],
        optional: true,
        dev: true,
      },
      'node_modules/@tool/darwin-arm64': { version: '1.2.3', os: ['darwin'], cpu: ['arm64'], optional: true },
    });
    expect(completeLock(after)).toBe(after);
  });
});
