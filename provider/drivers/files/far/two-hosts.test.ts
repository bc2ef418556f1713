import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { describe, expect } from '@jest/globals';
import { memoryBlobs, testContext } from '../../../../test/support/context.ts';
import { collect, replay, restoreOptions } from '../../../../test/support/driver-rig.ts';
import { memberOf, scratch } from '../../../../test/support/files-capture.ts';
import { everything } from '../../../../test/support/files-everything.ts';
import { code, stillCut } from '../../../../test/support/files-session.ts';
import { type HostName, labOrReason } from '../../../../test/support/lab.ts';
import { insideOf } from '../../../../test/support/lab-inside.ts';
import { on } from '../../../../test/support/process/rig.ts';
import { testUnless } from '../../../../test/support/skipped.ts';
import { usedLab } from '../../../../test/support/used-lab.ts';
import { capture as captureAll } from '../../../coordinator/capture.ts';
import type { Member } from '../../../coordinator/member.ts';
import type { EpochReading } from '../../../core/driver.ts';
import { type Comparison, compareFingerprints, type FingerprintEntry } from '../../../core/fingerprint.ts';
import type { Host } from '../../../core/host.ts';
import type { MemberCapture } from '../../../core/manifest.ts';
import type { BlobReader } from '../../../core/store.ts';
import { sshHost } from '../../../hosts/ssh/host.ts';
import { ociLayout } from '../../../stores/oci-layout/type.ts';
import { filesDriver } from '../driver.ts';
import type { FilesSpec } from '../spec.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 240_000;
const signal = new AbortController().signal;

describe('files of other hosts', () => {
  const used = usedLab(here, async () => {});
  const viewOf = (name: HostName, path: string): string => `${insideOf(used.lab, name).root}${path}`;

  labTest(
    'go from one to the other with all that belongs to them, and come back over what was there',
    async () => {
      const source = viewOf('cloud', '/srv/all/tree');
      mkdirSync(viewOf('cloud', '/srv/all'));
      everything(source);
      execFileSync('setfattr', ['-n', 'user.note', '-v', 'a=\\n"b', `${source}/plain.txt`]);
      execFileSync('setfattr', ['-n', 'trusted.note', '-v', 'root’s', `${source}/sub`]);
      execFileSync('setfacl', ['-m', 'u:12345:r', '-d', '-m', 'g:54321:rwx', `${source}/sub`]);
      execFileSync('chown', ['-h', '4711:4712', `${source}/link`, `${source}/empty`]);
      const taken = await capture(used.cloud, { path: '/srv/all/tree' });
      expect(taken.fingerprint.map(({ object }) => object)).toContain('holes/sparse');

      mkdirSync(viewOf('sovereign', '/srv/all'));
      const target = { path: '/srv/all/tree' };
      expect(await plannedCodes(used.sovereign, target, taken.member)).toEqual([]);
      expect(await restore(used.sovereign, target, taken)).toMatchObject({
        differences: [],
        equal: taken.fingerprint.length,
      });
      expect(archiveOf(viewOf('sovereign', '/srv/all'))).toEqual(archiveOf(viewOf('cloud', '/srv/all')));
      expect(await on(used.sovereign, 'stat -c %b /srv/all/tree/sparse')).not.toBe('0');
      expect(Number(await on(used.sovereign, 'stat -c %b /srv/all/tree/sparse'))).toBeLessThan(1_000);

      writeFileSync(`${viewOf('sovereign', '/srv/all/tree')}/theirs`, 'theirs');
      expect(await code(restore(used.sovereign, target, taken, false, 'second'))).toBe('files.not-empty');
      expect(await restore(used.sovereign, target, taken, true, 'third')).toMatchObject({ differences: [] });
      expect(await on(used.sovereign, 'ls -A /srv/all')).toBe('.tree.stasis-restore.json\ntree');
    },
    PATIENCE_MS,
  );

  labTest(
    'of a writer that never stops no two looks are equal, and its files are read with blur',
    async () => {
      const folder = '/srv/busy';
      mkdirSync(viewOf('cloud', folder));
      writeFileSync(`${viewOf('cloud', folder)}/still`, 'still');
      await on(
        used.cloud,
        `(n=0; while :; do n=$((n + 1)); echo $n > ${folder}/moving; done) > /dev/null 2>&1 & echo $! > /run/busy.pid`,
      );
      try {
        await using session = await filesDriver.prepare({ path: folder }, used.cloud, testContext());
        const readings = [await session.watch!.epoch(signal), await session.watch!.epoch(signal)];
        expect(readings[0]!.value).not.toBe(readings[1]!.value);
        // A busy machine may have kept the writer waiting for a while at one of them.
        expect(readings.flatMap(({ unprovable = [] }) => unprovable)).toContainEqual(
          expect.stringMatching(/had changed within one tick/),
        );
        const blobs = memoryBlobs();
        expect(await code(session.copy(blobs))).toBe('cut.lost');
        const smear = await session.smear!(blobs);
        expect(smear.toNs).toBeGreaterThan(smear.fromNs);
        await session.copy(blobs);
        const objects = (await collect(session.fingerprint(blobs))).map(({ object }) => object);
        expect(objects).toEqual(['file/.', 'file/moving', 'file/still']);
      } finally {
        await on(used.cloud, 'kill "$(cat /run/busy.pid)"');
      }
    },
    PATIENCE_MS,
  );

  labTest(
    'that a process there has mapped for writing are not shown to be still',
    async () => {
      mkdirSync(viewOf('cloud', '/srv/mapped'));
      writeFileSync(viewOf('cloud', '/srv/mapped/file'), Buffer.alloc(4096));
      const map = `import mmap,sys; f=open(sys.argv[1],'r+b'); m=mmap.mmap(f.fileno(),0); m[0]=1; print('mapped',flush=True); sys.stdin.read()`;
      const [program = '', ...args] = insideOf(used.lab, 'cloud').command([
        'python3',
        '-c',
        map,
        '/srv/mapped/file',
      ]);
      const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
      const closed = new Promise((resolve) => child.once('close', resolve));
      try {
        await Promise.race([new Promise((resolve) => child.stdout.once('data', resolve)), closed]);
        expect((await epochOf(used.cloud, '/srv/mapped')).unprovable).toMatch(/mapped file for writing/);
      } finally {
        child.stdin.end();
        await closed;
      }
      expect((await epochOf(used.cloud, '/srv/mapped')).unprovable).toBeUndefined();
      // In memory nothing tells, whether it is mapped or not.
      expect((await epochOf(used.cloud, '/tmp')).unprovable).toMatch(/tmpfs/);
    },
    PATIENCE_MS,
  );

  labTest(
    'are swapped in without Perl as well: where nothing is, into an empty folder, over what was there, file or folder',
    async () => {
      await on(
        used.sovereign,
        'mkdir -p /srv/bin /srv/swap/empty /srv/swap/full; ln -s /usr/bin/* /srv/bin/; rm /srv/bin/perl*; echo x > /srv/swap/full/x; echo y > /srv/swap/file',
      );
      const host = withPath(used.sovereign, '/srv/bin');
      await on(used.cloud, 'mkdir -p /srv/small/sub; echo small > /srv/small/sub/file');
      const folder = await capture(used.cloud, { path: '/srv/small' });
      const file = await capture(used.cloud, { path: '/srv/small/sub/file' });
      expect(await on(host, 'command -v perl || echo none')).toBe('none');
      for (const taken of [folder, file])
        for (const name of ['absent', 'empty', 'full', 'file']) {
          const comparison = await restore(
            host,
            { path: `/srv/swap/${name}` },
            taken,
            true,
            `${name} ${taken === file}`,
          );
          expect([name, comparison]).toMatchObject([
            name,
            { differences: [], equal: taken.fingerprint.length },
          ]);
        }
      expect(await on(host, 'cat /srv/swap/full; ls -A /srv/swap | grep -v json')).toBe(
        'small\nabsent\nempty\nfile\nfull',
      );
    },
    PATIENCE_MS,
  );

  labTest(
    'of two hosts are captured at one instant, into a store of a path that one of them has as well',
    async () => {
      using folder = scratch('stasis-far-', '/var/tmp');
      const members = [used.cloud, used.sovereign].map(
        (host): Member => ({
          ...{ name: host.name, driver: filesDriver, host },
          spec: filesDriver.spec.parse({ path: folder.path }),
        }),
      );
      for (const { host } of members) await on(host, 'mkdir "$1"; date > "$1/when"', folder.path);
      const store = await ociLayout.open({ path: folder.at('store') }, testContext());
      const limits = { maxPauseMs: 10_000, maxBlurMs: 0 };
      const request = { name: 'both', owner: 'test', limits, createdBy: 'test', members, store };
      const { manifest } = await captureAll(request, testContext());
      expect(manifest).toMatchObject({ sharp: true, blurMs: 0 });
      expect(Object.keys(manifest.certificate.members).sort()).toEqual(['cloud', 'sovereign']);
    },
    PATIENCE_MS,
  );

  labTest(
    'are told apart by their machine, and not by how it is logged in to',
    async () => {
      await using other = login('cloud', 'deploy', 'another name');
      mkdirSync(viewOf('cloud', '/srv/same'));
      mkdirSync(viewOf('sovereign', '/srv/same'));
      const identities = async (host: Host): Promise<readonly string[]> =>
        (await filesDriver.plan({ path: '/srv/same' }, host, testContext())).identities;
      const cloud = await identities(used.cloud);
      expect(cloud).toHaveLength(2);
      expect(await identities(other)).toEqual(cloud);
      expect((await identities(used.sovereign)).filter((identity) => cloud.includes(identity))).toEqual([]);
    },
    PATIENCE_MS,
  );

  labTest(
    'by a user who is not root: what he must not read is named, and what is his comes back',
    async () => {
      await using deploy = login('cloud', 'deploy', 'deploy');
      await on(
        used.cloud,
        'mkdir -p /srv/theirs/closed; echo x > /srv/theirs/secret; chmod 600 /srv/theirs/secret; chmod 700 /srv/theirs/closed',
      );
      await on(
        deploy,
        'mkdir -p ~/own/sub; echo own > ~/own/sub/file; chmod 500 ~/own/sub; setfattr -n user.a -v b ~/own/sub/file',
      );
      const planned = await filesDriver.plan({ path: '/srv/theirs' }, deploy, testContext());
      expect(planned.problems).toMatchObject([{ code: 'files.unreadable' }]);
      expect(planned.problems[0]!.message).toMatch(/closed.*secret/);
      await using closed = await filesDriver.prepare({ path: '/srv/theirs' }, deploy, testContext());
      expect(await code(closed.watch!.epoch(signal))).toBe('files.unreadable');

      const taken = await capture(deploy, { path: '/home/deploy/own' });
      expect(taken.member.coverage.outside.map(({ code }) => code)).toContain('files.unseen-process');
      expect(await restore(deploy, { path: '/home/deploy/copy' }, taken)).toMatchObject({ differences: [] });
      const refused = await plannedCodes(deploy, { path: '/srv/copy' }, taken.member);
      expect(refused).toEqual(['files.rights']);
      await on(used.cloud, 'chmod -R u+w /home/deploy/own /home/deploy/copy');
    },
    PATIENCE_MS,
  );

  function login(name: HostName, user: string, called: string): Host & AsyncDisposable {
    const { lab } = used;
    const { address, hostKey } = lab.hosts[name];
    return sshHost(called, { address, user, hostKey, privateKeyFile: lab.keyFile });
  }
});

interface Taken {
  readonly member: MemberCapture;
  readonly blobs: BlobReader;
  readonly fingerprint: readonly FingerprintEntry[];
}

async function capture(host: Host, spec: FilesSpec): Promise<Taken> {
  await using session = await filesDriver.prepare(spec, host, testContext());
  const blobs = memoryBlobs();
  await session.preload!(blobs);
  await stillCut(session);
  const captured = await session.copy(blobs);
  const fingerprint = await collect(session.fingerprint(blobs));
  return { member: memberOf(spec, captured, fingerprint.length), blobs, fingerprint };
}

async function restore(
  host: Host,
  spec: FilesSpec,
  taken: Taken,
  overwrite = false,
  restoreId = 'first',
): Promise<Comparison> {
  const options = restoreOptions({ overwrite, restoreId });
  await using held = await filesDriver.restore(spec, host, taken.member, taken.blobs, options, testContext());
  const loaded = await compareFingerprints(replay(taken.fingerprint), held.fingerprint(), Date.now());
  await held.release();
  if (loaded.differenceCount > 0) return loaded;
  await using observed = await filesDriver.observe(spec, host, testContext());
  return compareFingerprints(replay(taken.fingerprint), observed.fingerprint(), Date.now());
}

async function plannedCodes(host: Host, spec: FilesSpec, from: MemberCapture): Promise<string[]> {
  return (await filesDriver.planRestore(spec, host, from, testContext())).problems.map(({ code }) => code);
}

async function epochOf(host: Host, path: string): Promise<EpochReading> {
  await using session = await filesDriver.prepare({ path }, host, testContext());
  return session.watch!.epoch(signal);
}

/** The host, with programs of that folder only. */
function withPath(host: Host, PATH: string): Host {
  return {
    ...host,
    run: (argv, options) => host.run(argv, { ...options, env: { ...options.env, PATH } }),
    spawn: (argv, options) => host.spawn(argv, { ...options, env: { ...options.env, PATH } }),
  };
}

/** All that another program sees of a tree. */
function archiveOf(folder: string): string {
  const options = [
    '--sort=name',
    '--format=pax',
    '--numeric-owner',
    '--xattrs',
    '--xattrs-include=*',
    '--acls',
  ];
  const argv = ['--create', ...options, '--pax-option=delete=atime,delete=ctime', 'tree'];
  const archive = execFileSync('tar', argv, { cwd: folder, maxBuffer: 1 << 30 });
  return `${archive.length} ${execFileSync('sha256sum', { input: archive }).toString()}`;
}
