import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { labOrReason } from '../../../test/support/lab.ts';
import { memberOf } from '../../../test/support/member.ts';
import { Photographer } from '../../../test/support/process/photographer.ts';
import { on, until } from '../../../test/support/process/rig.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { childAt } from '../../../test/support/vm/held.ts';
import { CountingVm, makeGuest, residueIn, ticksOf } from '../../../test/support/vm/rig.ts';
import { fencedRestore, planFence } from '../../coordinator/fence.ts';
import { Journal, sweepJournals } from '../../coordinator/journal.ts';
import type { Member } from '../../coordinator/member.ts';
import { sleep } from '../../core/wait.ts';
import { vmDriver } from './driver.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 600_000;
const LEASE_MS = 4_000;
const context = testContext();

describe('a fence of a VM', () => {
  let photographer: Photographer;
  let vm: CountingVm;
  let original: Member;

  beforeAll(async () => {
    if (here.reason !== undefined) return;
    photographer = await Photographer.start(here);
    await makeGuest(photographer.cloud);
    vm = await CountingVm.start(photographer.cloud, '/srv/vm');
    original = memberOf('vm', { qmp: vm.qmp }, { host: photographer.cloud });
  }, PATIENCE_MS);
  afterAll(() => photographer?.[Symbol.asyncDispose](), PATIENCE_MS);

  async function stands(): Promise<boolean> {
    const before = await vm.count();
    await sleep(2_000);
    return (await vm.count()) === before;
  }

  labTest(
    'that died goes on being one, whatever the watchdog of a capture does, until the sweep lifts it',
    async () => {
      const { store, lab, cloud } = photographer;
      const journal = new Journal(store, 'fence-dead');
      for (let raised = 0; raised < 2; raised += 1)
        await original.driver.fence!.raise(
          original.spec,
          cloud,
          (entry) => journal.note(original, entry),
          context,
        );
      expect(await stands()).toBe(true);
      const child = await childAt(lab, { qmp: vm.qmp }, 'saved', LEASE_MS);
      child.kill('SIGKILL');
      await until(async () => (await residueIn(vm)) === 'it does not run', 40_000);
      await sleep(LEASE_MS);
      expect(await stands()).toBe(true);

      await sweepJournals(store, [original], context);
      await vm.untilCounts(5);
      expect(await residueIn(vm)).toBe('');
      expect(await store.records.list('journal/')).toEqual([]);
    },
    PATIENCE_MS,
  );

  labTest(
    'without its memory is refused',
    async () => {
      const spec = vmDriver.spec.parse({ qmp: vm.qmp, memory: false });
      const found = await vmDriver.fence!.obstacles(spec, photographer.cloud, context);
      expect(found.map(({ code }) => code)).toEqual(['vm.fence-without-memory']);
    },
    PATIENCE_MS,
  );

  labTest(
    'stops it for good at the tick after which its twin goes on',
    async () => {
      const { sovereign } = photographer;
      const target = memberOf('vm', { qmp: '/run/twin/qmp.sock', folder: '/srv/twins' }, { host: sovereign });
      const sealed = await photographer.photographAll('machine', [original]);
      const request = await photographer.request(sealed, [target]);
      expect((await planFence(request, [original], context)).map(({ message }) => message)).toEqual([]);
      const { verdict } = await fencedRestore(request, [original], context);
      expect(verdict).toBe('identical');

      const said = async (): Promise<string[]> =>
        (await on(sovereign, 'cat "$(ls -td /srv/twins/*/ | head -n 1)serial"')).split(/\r?\n/);
      await until(async () => ticksOf(await said()).length > 10, 40_000);
      const ticks = ticksOf(await said());
      expect(ticks).toEqual(ticks.map((_, index) => ticks[0]! + index));
      expect((await said()).filter((line) => line.startsWith('TORN') || line.startsWith('BOOT'))).toEqual([]);
      // The next one, or the one that it was just about to tell.
      const last = await vm.count();
      expect([last, last + 1]).toContain(ticks[0]);
      expect(await stands()).toBe(true);
    },
    PATIENCE_MS,
  );
});
