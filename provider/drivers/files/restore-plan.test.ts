import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, jest, test } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { type Captured, captureQuietly, host, scratch, source } from '../../../test/support/files-capture.ts';
import type { RestorePlan } from '../../core/driver.ts';
import type { Host } from '../../core/host.ts';
import { filesDriver } from './driver.ts';

/** Programs are started, on machines that may be busy. */
jest.setTimeout(120_000);

function plan(path: string, captured: Captured, at: Host = host): Promise<RestorePlan> {
  return filesDriver.planRestore({ path }, at, captured.member, testContext());
}

function codes(planned: { readonly problems: readonly { readonly code: string }[] }): string[] {
  return planned.problems.map((problem) => problem.code);
}

describe('what would keep a restore from succeeding is told in its plan', () => {
  test('a parent that is not there, a link to nothing, the root', async () => {
    using folder = scratch();
    const captured = await source(folder);
    symlinkSync('nothing', folder.at('dangling'));
    expect(codes(await plan(folder.at('no', 'where'), captured))).toEqual(['files.no-parent']);
    expect(codes(await plan(folder.at('dangling'), captured))).toEqual(['files.dangling']);
    expect(codes(await plan('/', captured))).toEqual(['files.root']);
    expect(codes(await plan(folder.at('source', 'a', 'x'), captured))).toEqual(['files.bad-path']);
  });

  test('a mount point', async () => {
    using folder = scratch();
    expect(codes(await plan('/proc', await source(folder)))).toContain('files.mount-point');
  });

  test('too little room, for bytes or for files', async () => {
    using folder = scratch();
    const captured = await source(folder);
    const huge = { ...captured, member: { ...captured.member, sizeBytes: 2 ** 60 } };
    expect(codes(await plan(folder.at('target'), huge))).toEqual(['files.no-space']);
    const content = { ...(captured.member.content as object), entries: 2 ** 48 };
    const many = { ...captured, member: { ...captured.member, content } };
    expect(codes(await plan(folder.at('target'), many))).toEqual(['files.no-space']);
  });

  test('missing programs', async () => {
    using folder = scratch();
    mkdirSync(folder.at('source'));
    writeFileSync(folder.at('source', 'x'), '');
    execFileSync('setfattr', ['-n', 'user.a', '-v', 'b', folder.at('source', 'x')]);
    const captured = await captureQuietly({ path: folder.at('source') });
    const bare: Host = { ...host, which: async () => undefined };
    expect(codes(await plan(folder.at('target'), captured, bare)).sort()).toEqual([
      'files.attributes-tool-missing',
      'files.tar-missing',
    ]);
  });

  test('a snapshot of a newer Stasis, and one that is malformed', async () => {
    using folder = scratch();
    const captured = await source(folder);
    const newer = { ...captured, member: { ...captured.member, contentVersion: 99 } };
    expect(codes(await plan(folder.at('target'), newer))).toEqual(['files.newer-content']);
    const malformed = { ...captured, member: { ...captured.member, content: { listing: 1 } } };
    expect(codes(await plan(folder.at('target'), malformed))).toEqual(['files.malformed-content']);
  });

  test('a path on another machine that does not say where it begins', async () => {
    using folder = scratch();
    const captured = await source(folder);
    const far: Host = { ...host, name: '10.0.0.4', place: 'ssh://10.0.0.4:22' };
    expect(codes(await plan('target', captured, far))).toEqual(['files.relative-path']);
    expect(codes(await filesDriver.plan({ path: 'source' }, far, testContext()))).toEqual([
      'files.relative-path',
    ]);
    await expect(filesDriver.prepare({ path: 'source' }, far, testContext())).rejects.toMatchObject({
      code: 'files.relative-path',
    });
  });
});
