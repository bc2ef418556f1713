import { once } from 'node:events';
import { describe, expect } from '@jest/globals';
import { testContext } from '../../../test/support/context.ts';
import { labOrReason } from '../../../test/support/lab.ts';
import { until } from '../../../test/support/process/rig.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { usedLab } from '../../../test/support/used-lab.ts';
import { childAt } from '../../../test/support/vm/held.ts';
import { CountingVm, makeGuest, residueIn } from '../../../test/support/vm/rig.ts';
import { vmDriver } from './driver.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 240_000;
const LEASE_MS = 4_000;
/** What a busy machine may add to the time after which it has to run, and nothing of ours may be left. */
const MARGIN_MS = 60_000;

describe('a capture that dies while a VM is stopped', () => {
  let vm: CountingVm;

  const used = usedLab(here, async () => {
    await makeGuest(used.cloud);
    vm = await CountingVm.start(used.cloud, '/srv/vm');
  });

  async function advances(): Promise<boolean> {
    const before = await vm.count();
    await new Promise((resolve) => setTimeout(resolve, 300));
    return (await vm.count()) > before;
  }

  for (const [step, signal] of [
    ['frozen', 'SIGKILL'],
    ['saving', 'SIGKILL'],
    ['saved', 'SIGKILL'],
    ['copying', 'SIGKILL'],
    ['saved', 'SIGSTOP'],
  ] as const)
    labTest(
      `${signal} when it is ${step}: the VM runs again, nothing of ours is left in QEMU, and the next capture is sound`,
      async () => {
        const child = await childAt(used.lab, { qmp: vm.qmp }, step, LEASE_MS);
        child.kill(signal);
        try {
          await until(advances, LEASE_MS + MARGIN_MS);
          // One that is stopped holds the watchdog of its copy for as long as that goes.
          await until(async () => (await residueIn(vm)) === '', LEASE_MS + MARGIN_MS);
        } finally {
          child.kill('SIGKILL');
          if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
        }
        expect((await vm.said()).filter((line) => line.startsWith('TORN'))).toEqual([]);

        const context = testContext();
        const session = await vmDriver.prepare(vmDriver.spec.parse({ qmp: vm.qmp }), used.cloud, context);
        try {
          await session.hold!.settle!(context.signal);
          await session.hold!.freeze(20_000, context.signal);
          await session.mark!.take(context.signal);
          const { conditions } = await session.hold!.evidence(context.signal);
          expect(conditions.filter(({ expected, observed }) => expected !== observed)).toEqual([]);
        } finally {
          await session[Symbol.asyncDispose]();
        }
        expect(await residueIn(vm)).toBe('');
        await until(advances);
      },
      PATIENCE_MS,
    );
});
