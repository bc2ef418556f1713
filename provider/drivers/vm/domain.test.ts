import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { type Lab, labOrReason } from '../../../test/support/lab.ts';
import { labHost, on } from '../../../test/support/process/rig.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { defineDomain, startLibvirt } from '../../../test/support/vm/libvirt.ts';
import { makeGuest, ticksOf } from '../../../test/support/vm/rig.ts';
import { capture } from '../../coordinator/capture.ts';
import { fencedRestore } from '../../coordinator/fence.ts';
import { Journal, sweepJournals } from '../../coordinator/journal.ts';
import type { Member } from '../../coordinator/member.ts';
import { restore } from '../../coordinator/restore.ts';
import type { Host } from '../../core/host.ts';
import type { Store } from '../../core/store.ts';
import { sleep } from '../../core/wait.ts';
import { ociLayout } from '../../stores/oci-layout/type.ts';
import { vmDriver } from './driver.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 300_000;
const LIMITS = { maxPauseMs: 20_000, maxBlurMs: 0 };
const COUNTS_MS = 90_000;

describe('a domain of libvirt', () => {
  let lab: Lab;
  let folder: string;
  let store: Store;
  let cloud: Host & AsyncDisposable;
  let sovereign: Host & AsyncDisposable;

  beforeAll(async () => {
    if (here.reason !== undefined) return;
    folder = await mkdtemp(join(tmpdir(), 'stasis-domain-'));
    store = await ociLayout.open({ path: join(folder, 'store') }, testContext());
    lab = await here.start();
    cloud = labHost(lab, 'cloud');
    sovereign = labHost(lab, 'sovereign');
    await makeGuest(cloud);
    await Promise.all([startLibvirt(cloud), startLibvirt(sovereign)]);
    await defineDomain(cloud, 'web', '/srv/web');
    await untilCounts(cloud, '/srv/web/serial', 3);
  }, PATIENCE_MS);
  afterAll(async () => {
    await cloud?.[Symbol.asyncDispose]();
    await sovereign?.[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
    if (folder) await rm(folder, { recursive: true, force: true });
  }, PATIENCE_MS);

  async function untilCounts(host: Host, serial: string, times: number): Promise<string[]> {
    const untilMs = Date.now() + COUNTS_MS;
    for (;;) {
      const said = (await on(host, 'cat $1 2> /dev/null || true', serial)).split(/\r?\n/);
      if (ticksOf(said).length >= times) return said;
      if (Date.now() > untilMs) throw new Error(`no ${times} beats in ${serial}: ${said.slice(-3)}`);
      await sleep(200);
    }
  }

  const memberOf = (host: Host, spec: object): Member => ({
    ...{ name: 'web', driver: vmDriver, host },
    spec: vmDriver.spec.parse(spec),
  });

  labTest(
    'counts on where it was under libvirt of another host, is defined there, and replaces one when told to',
    async () => {
      const request = {
        ...{ name: 'web', owner: 'test', limits: LIMITS, createdBy: 'test', store },
        members: [memberOf(cloud, { domain: 'web' })],
      };
      const sealed = await capture(request, testContext());
      expect(sealed.manifest).toMatchObject({ sharp: true, blurMs: 0 });
      const before = ticksOf(await untilCounts(cloud, '/srv/web/serial', 3)).length;
      const original = await untilCounts(cloud, '/srv/web/serial', before + 5);
      expect(original.filter((line) => line.startsWith('TORN'))).toEqual([]);
      expect(await on(cloud, 'virsh -q domstate web')).toBe('running');

      const target = memberOf(sovereign, { domain: 'web', folder: '/srv/twins' });
      const into = async (restoreId: string, overwrite: boolean) =>
        restore(
          {
            ...{ restoreId, overwrite, safetySnapshot: false, verify: 'identical' },
            ...{ expiry: 'absolute', createdBy: 'test', store },
            snapshot: await store.open(sealed.name, sealed.digest, testContext()),
            members: [target],
          },
          testContext(),
        );
      expect((await into('elsewhere', false)).verdict).toBe('identical');
      const said = await untilCounts(sovereign, '/srv/twins/*/serial', 5);
      const ticks = ticksOf(said);
      expect(said.filter((line) => line.startsWith('TORN') || line.startsWith('BOOT'))).toEqual([]);
      expect(ticks).toEqual(ticks.map((_, index) => ticks[0]! + index));
      expect(ticksOf(original)).toContain(ticks[0]);
      expect(await on(sovereign, 'virsh -q list --all --persistent --name | grep .')).toBe('web');

      await expect(into('again', false)).rejects.toMatchObject({ code: 'restore.target-not-empty' });
      expect((await into('again', true)).verdict).toBe('identical');
      await untilCounts(sovereign, '/srv/twins/*/serial', 2);
      expect(await on(sovereign, 'ls -d /srv/twins/*/ | wc -l')).toBe('1');
      expect(await on(sovereign, 'virsh -q list --all --name | grep .')).toBe('web');
    },
    PATIENCE_MS,
  );

  labTest(
    'that is fenced stands until the sweep lifts it, or its operator does by the commands that the docs name',
    async () => {
      const original = memberOf(cloud, { domain: 'web' });
      const raise = (journal: Journal): Promise<void> =>
        vmDriver.fence!.raise(
          original.spec as never,
          cloud,
          (entry) => journal.note(original, entry),
          testContext(),
        );
      const ticksNow = async (): Promise<number> =>
        ticksOf((await on(cloud, 'cat /srv/web/serial')).split(/\r?\n/)).length;
      const stands = async (): Promise<boolean> => {
        const before = await ticksNow();
        await sleep(2_000);
        return (await ticksNow()) === before;
      };
      await raise(new Journal(store, 'swept'));
      expect(await stands()).toBe(true);
      expect(await on(cloud, 'virsh -q domstate web')).toBe('paused');
      await sweepJournals(store, [original], testContext());
      await untilCounts(cloud, '/srv/web/serial', (await ticksNow()) + 5);
      expect(await on(cloud, 'virsh -q domstate web')).toBe('running');

      const journal = new Journal(store, 'by-hand');
      await raise(journal);
      expect(await stands()).toBe(true);
      const remove = '{"execute": "object-del", "arguments": {"id": "stasis-fence"}}';
      await on(cloud, 'virsh -q resume web && virsh -q qemu-monitor-command web "$1"', remove);
      await untilCounts(cloud, '/srv/web/serial', (await ticksNow()) + 5);
      // Nothing is left for the sweep, and no fence for the next capture.
      await sweepJournals(store, [original], testContext());
      expect(await on(cloud, 'virsh -q domstate web')).toBe('running');

      const sealed = await capture(
        {
          ...{ name: 'fenced', owner: 'test', limits: LIMITS, createdBy: 'test', store },
          members: [original],
        },
        testContext(),
      );
      const target = memberOf(sovereign, { domain: 'web', folder: '/srv/twins' });
      const { verdict } = await fencedRestore(
        {
          ...{ restoreId: 'fenced', overwrite: true, safetySnapshot: false, verify: 'identical' },
          ...{ expiry: 'absolute', createdBy: 'test', store },
          snapshot: await store.open(sealed.name, sealed.digest, testContext()),
          members: [target],
        },
        [original],
        testContext(),
      );
      expect(verdict).toBe('identical');
      const last = await ticksNow();
      const [first] = ticksOf(await untilCounts(sovereign, '/srv/twins/*/serial', 5));
      // The next one, or the one that it was just about to tell.
      const said = ticksOf((await on(cloud, 'cat /srv/web/serial')).split(/\r?\n/));
      expect([said.at(-1)!, said.at(-1)! + 1]).toContain(first);
      expect(await ticksNow()).toBe(last);
      expect(await on(cloud, 'virsh -q domstate web')).toBe('paused');
    },
    PATIENCE_MS,
  );
});
