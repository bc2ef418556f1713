import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { type Lab, labOrReason } from '../../../test/support/lab.ts';
import { labHost, on } from '../../../test/support/process/rig.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { CountingVm, makeGuest, residueIn, ticksOf } from '../../../test/support/vm/rig.ts';
import { capture } from '../../coordinator/capture.ts';
import type { Member } from '../../coordinator/member.ts';
import { restore } from '../../coordinator/restore.ts';
import type { RestoreRequest } from '../../coordinator/restore-plan.ts';
import type { RestoreOptions } from '../../core/driver.ts';
import type { Host } from '../../core/host.ts';
import type { Store } from '../../core/store.ts';
import { ociLayout } from '../../stores/oci-layout/type.ts';
import { vmDriver } from './driver.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 240_000;
const LIMITS = { maxPauseMs: 5_000, maxBlurMs: 0 };

/** A disk of another format beside the first: with holes, and with something that is nowhere else. */
const SECOND = '/srv/second.raw';
const MAKE_SECOND = `truncate -s 32M ${SECOND} && head -c 3M /dev/urandom | dd of=${SECOND} bs=1M seek=5 conv=notrunc status=none`;

describe('a VM with its memory and disks', () => {
  let lab: Lab;
  let folder: string;
  let store: Store;
  let cloud: Host & AsyncDisposable;
  let sovereign: Host & AsyncDisposable;
  let vm: CountingVm;

  beforeAll(async () => {
    if (here.reason !== undefined) return;
    folder = await mkdtemp(join(tmpdir(), 'stasis-vm-'));
    store = await ociLayout.open({ path: join(folder, 'store') }, testContext());
    lab = await here.start();
    cloud = labHost(lab, 'cloud');
    sovereign = labHost(lab, 'sovereign');
    await makeGuest(cloud);
    await on(cloud, MAKE_SECOND);
    vm = await CountingVm.start(cloud, '/srv/vm', {
      more: ['-drive', `file=${SECOND},if=virtio,format=raw,id=disk1`],
    });
  }, PATIENCE_MS);
  afterAll(async () => {
    await cloud?.[Symbol.asyncDispose]();
    await sovereign?.[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
    if (folder) await rm(folder, { recursive: true, force: true });
  }, PATIENCE_MS);

  const member = (host: Host, spec: object): Member => ({
    ...{ name: 'machine', driver: vmDriver, host },
    spec: vmDriver.spec.parse(spec),
  });
  const captureOf = (name: string, spec: object = {}) => ({
    ...{ name, owner: 'test', limits: LIMITS, createdBy: 'test', store },
    members: [member(cloud, { qmp: vm.qmp, ...spec })],
  });
  const restoreOf = async (
    sealed: Awaited<ReturnType<typeof capture>>,
    restoreId: string,
    target: Member,
  ): Promise<RestoreRequest> => ({
    ...{ restoreId, overwrite: false, safetySnapshot: false, verify: 'identical' },
    ...{ expiry: 'absolute', createdBy: 'test', store },
    snapshot: await store.open(sealed.name, sealed.digest, testContext()),
    members: [target],
  });

  /** What the restored VM in the newest folder there has said. */
  async function saidBy(host: Host, parent: string): Promise<string[]> {
    return (await on(host, 'cat "$(ls -td "$1"/*/ | head -n 1)serial"', parent)).split(/\r?\n/);
  }

  labTest(
    'counts on where it was, on another host, its disk and memory of one instant; so does the original',
    async () => {
      const sealed = await capture(captureOf('machine'), testContext());
      expect(sealed.manifest).toMatchObject({ sharp: true, blurMs: 0 });
      expect(sealed.manifest.pauseMs).toBeLessThan(LIMITS.maxPauseMs);
      await vm.untilCounts(10);
      expect((await vm.said()).filter((line) => line.startsWith('TORN'))).toEqual([]);
      expect(await residueIn(vm)).toBe('');

      const target = member(sovereign, { qmp: '/run/twin/qmp.sock', folder: '/srv/twins' });
      const request = await restoreOf(sealed, 'elsewhere', target);
      const result = await restore(request, testContext());
      expect(result.verdict).toBe('identical');
      const twin = new CountingVm(sovereign, '/srv/twins');
      const until = Date.now() + 30_000;
      let said = await saidBy(sovereign, twin.folder);
      while (ticksOf(said).length < 10 && Date.now() < until) said = await saidBy(sovereign, twin.folder);
      const ticks = ticksOf(said);
      expect(ticks.length).toBeGreaterThanOrEqual(10);
      // No boot, no gap, and whatever the disk had was what the memory knew of.
      expect(said.filter((line) => line.startsWith('TORN') || line.startsWith('BOOT'))).toEqual([]);
      expect(ticks).toEqual(ticks.map((_, index) => ticks[0]! + index));
      const original = await vm.ticks();
      expect(original).toContain(ticks[0]);
      expect(await on(sovereign, 'test -S /run/twin/qmp.sock && echo there')).toBe('there');
      const second = await on(cloud, `sha256sum < ${SECOND}`);
      expect(await on(sovereign, 'cat "$1"/*/second.raw | sha256sum', twin.folder)).toBe(second);
      const usedBytes = 'echo $(($(stat -c "%b * %B" "$1"/*/second.raw)))';
      expect(Number(await on(sovereign, usedBytes, twin.folder))).toBeLessThan(8 * 1024 * 1024);

      // A retry, as after lost state: what runs already is left alone.
      const again = await restore(request, testContext());
      expect(again).toMatchObject({ verdict: 'unverified', members: { machine: { running: true } } });
    },
    PATIENCE_MS,
  );

  const leftOn = (host: Host): Promise<string> =>
    on(
      host,
      'ls -d /srv/drop/* /run/drop/* /var/tmp/stasis-vm-* 2> /dev/null; pgrep -f "[s]tasis-qmp.sock.*drop" || true',
    );

  labTest(
    'loaded and not released, it leaves nothing; nor does one of a restore that died, once it is undone',
    async () => {
      const sealed = await capture(captureOf('dropped'), testContext());
      const snapshot = await store.open(sealed.name, sealed.digest, testContext());
      const journal: unknown[] = [];
      const options: RestoreOptions = {
        ...{ restoreId: 'dropped', overwrite: false, cutAtMs: Date.now() },
        expiry: 'absolute',
        journal: async (entry: unknown) => void journal.push(JSON.parse(JSON.stringify(entry))),
      };
      const spec = vmDriver.spec.parse({ qmp: '/run/drop/qmp.sock', folder: '/srv/drop' });
      const load = () =>
        vmDriver.restore(
          spec,
          sovereign,
          snapshot.manifest.members.machine!,
          snapshot.blobs('machine'),
          options,
          testContext(),
        );
      const dropped = await load();
      expect(await leftOn(sovereign)).not.toBe('');
      await dropped[Symbol.asyncDispose]();
      await dropped[Symbol.asyncDispose]();
      expect(await leftOn(sovereign)).toBe('');

      const died = await load();
      for (let twice = 0; twice < 2; twice += 1)
        for (const entry of journal) await vmDriver.undo(spec, sovereign, entry, testContext());
      expect(await leftOn(sovereign)).toBe('');
      await died[Symbol.asyncDispose]();
    },
    PATIENCE_MS,
  );
});
