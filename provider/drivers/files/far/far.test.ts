import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { host, scratch } from '../../../../test/support/files-capture.ts';
import { everything } from '../../../../test/support/files-everything.ts';
import type { Host } from '../../../core/host.ts';
import { accessTo, type TreeAccess } from '../access.ts';
import type { Entry } from '../entry.ts';
import { excluder } from '../selection.ts';

/** This machine as if it were another one: its commands, and nothing else of it. */
const far: Host = { ...host, name: 'far', place: 'ssh://far:22' };
const here = accessTo(host);
const there = accessTo(far);
const signal = AbortSignal.timeout(60_000);

describe('commands see what system calls see', () => {
  test('of every kind of entry', async () => {
    using folder = scratch();
    everything(folder.at('tree'));
    execFileSync('python3', [
      '-c',
      'import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])',
      folder.at('tree', 's'),
    ]);
    execFileSync('touch', ['-d', '1969-12-31 23:59:58.5 UTC', folder.at('tree', 'empty')]);
    const root = Buffer.from(folder.at('tree'));
    const [a, b] = [await here.scan(root, excluder(), signal), await there.scan(root, excluder(), signal)];
    expect(b.entries).toEqual(a.entries);
    expect(b.entries.length).toBeGreaterThan(20);
    expect(b.skipped).toEqual(a.skipped);
    expect(b.fileSystems).toEqual(a.fileSystems);
    expect(await there.look(root, b.entries, signal)).toEqual(await here.look(root, a.entries, signal));
    expect(b.startedAtNs).toBeLessThanOrEqual(b.endedAtNs);
  });

  test('of what is left out', async () => {
    using folder = scratch();
    everything(folder.at('tree'));
    mkdirSync(folder.at('tree', 'sub', 'cache'));
    writeFileSync(folder.at('tree', 'sub', 'cache', 'x'), '');
    for (const patterns of [
      ['cache'],
      ['*.txt', 'sub/deep*'],
      ['sub/**/-*', 'tree'],
      ['gr*', 'fifo', '.', '(a|b)'],
    ]) {
      const root = Buffer.from(folder.at('tree'));
      const [a, b] = await Promise.all(
        [here, there].map((access) => access.scan(root, excluder(patterns), signal)),
      );
      expect(b!.entries).toEqual(a!.entries);
    }
  });

  test('of one file', async () => {
    using folder = scratch();
    writeFileSync(folder.at('one'), '1');
    const root = Buffer.from(folder.at('one'));
    const [a, b] = [
      await here.scan(root, excluder(), signal),
      await there.scan(root, excluder(['one']), signal),
    ];
    expect(b.entries).toEqual(a.entries);
    expect(b.entries).toHaveLength(1);
    await expect(there.scan(Buffer.from(folder.at('none')), excluder(), signal)).rejects.toMatchObject({
      code: 'files.missing',
    });
  });

  test('of what is in files', async () => {
    using folder = scratch();
    everything(folder.at('tree'));
    const root = Buffer.from(folder.at('tree'));
    const { entries } = await there.scan(root, excluder(), signal);
    const files = entries.filter(({ kind }) => kind === 'file');
    expect(await wholes(there, root, files)).toEqual(await wholes(here, root, files));
    const [ours, theirs] = await Promise.all(
      [here, there].map((access) => access.digests(root, files, signal)),
    );
    for (const file of files) expect(await theirs!(file)).toEqual(await ours!(file));
    for (const file of files) expect(await pieces(there, root, file)).toEqual(await pieces(here, root, file));
  });

  test('of so many files that an archive of them ends just before the end of a record, or after it', async () => {
    using folder = scratch();
    const root = Buffer.from(folder.path);
    // With their headers 2 blocks each, and 3 of the last; a record has 128, and two more end an archive.
    for (let at = 0; at < 64; at += 1) writeFileSync(folder.at(`f${at}`), `${at}`);
    writeFileSync(folder.at('g'), Buffer.alloc(1024, 'g'));
    const files = (await there.scan(root, excluder(), signal)).entries.filter(({ kind }) => kind === 'file');
    for (let from = 0; from < 5; from += 1)
      expect(await wholes(there, root, files.slice(from))).toEqual(
        await wholes(here, root, files.slice(from)),
      );
  });

  test('of ourselves and of paths', async () => {
    using folder = scratch();
    mkdirSync(folder.at('full', 'empty'), { recursive: true });
    const self = await there.self();
    expect(self).toEqual({ ...(await here.self()), groups: expect.anything() });
    expect(new Set(self.groups)).toEqual(new Set((await here.self()).groups));
    for (const path of [folder.path, folder.at('none'), '/proc', '/dev/null'])
      expect(await there.standing(path)).toEqual(await here.standing(path));
    for (const path of [folder.at('full'), folder.at('full', 'empty')])
      expect(await there.isEmpty(path)).toBe(await here.isEmpty(path));
    for (const path of ['/', '/proc', folder.path])
      expect(await there.isMountPoint(path)).toBe(await here.isMountPoint(path));
    expect((await there.room(folder.path)).freeInodes).toBeGreaterThan(0);
    expect((await there.owners()).user(0)).toBe('root');
    expect(await there.missingTools()).toEqual([]);
  });
});

async function wholes(access: TreeAccess, root: Buffer, files: readonly Entry[]): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const whole of access.wholes(root, files, 'exact', signal))
    found.push(whole && { entry: whole.entry, data: digestOf(whole.data) });
  return found;
}

async function pieces(access: TreeAccess, root: Buffer, file: Entry): Promise<unknown> {
  const found: Buffer[] = [];
  let seen: Entry | undefined;
  const done = (entry: Entry): void => {
    seen = entry;
  };
  for await (const piece of access.pieces(root, file, 'exact', done, signal)) found.push(Buffer.from(piece));
  return { data: digestOf(Buffer.concat(found)), seen };
}

function digestOf(data: Buffer): string {
  return hash('sha256', data, 'hex');
}
