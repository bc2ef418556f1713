import { once } from 'node:events';
import { describe, expect } from '@jest/globals';
import { memoryBlobs, testContext } from '../../../test/support/context.ts';
import { memberOf, restoreOptions } from '../../../test/support/driver-rig.ts';
import { labOrReason } from '../../../test/support/lab.ts';
import { on, until } from '../../../test/support/process/rig.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { usedLab } from '../../../test/support/used-lab.ts';
import { childAt } from '../../../test/support/vm/held.ts';
import { defineDomain, startLibvirt } from '../../../test/support/vm/libvirt.ts';
import { CountingVm } from '../../../test/support/vm/rig.ts';
import { makeWritingGuest, WRITING_SYSTEM } from '../../../test/support/vm/writing.ts';
import type { Host } from '../../core/host.ts';
import { sleep } from '../../core/wait.ts';
import { vmDriver } from './driver.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 240_000;
const LEASE_MS = 6_000;
/** What a busy machine may add to the time after which the guest has to write again. */
const MARGIN_MS = 60_000;
const CHANNEL = `<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>`;
const MAKE_DISK = `
mkdir -p "$1" && cd "$1" && truncate -s 64M raw && mkfs.ext4 -q raw && qemu-img convert -O qcow2 raw disk.qcow2 && rm raw
`;
const FEATURES = `
qemu-img convert -U -O raw /srv/twins/*/disk.qcow2 /srv/looked && dumpe2fs -h /srv/looked 2> /dev/null | grep features: && rm /srv/looked
`;

describe("a cut of a domain whose guest's agent libvirt is connected to", () => {
  let vm: CountingVm;
  const spec = vmDriver.spec.parse({ domain: 'web', memory: false });

  const used = usedLab(here, async () => {
    await makeWritingGuest(used.cloud);
    await Promise.all([startLibvirt(used.cloud), startLibvirt(used.sovereign)]);
    await on(used.cloud, MAKE_DISK, '/srv/web');
    await defineDomain(used.cloud, 'web', '/srv/web', { system: WRITING_SYSTEM, devices: CHANNEL });
    vm = new CountingVm(used.cloud, '/srv/web');
    await vm.untilCounts();
  });

  async function advances(): Promise<boolean> {
    const before = await vm.count();
    await sleep(300);
    return (await vm.count()) > before;
  }

  const command = (host: Host, text: string): Promise<string> =>
    on(host, 'virsh -q qemu-agent-command web "$1"', JSON.stringify({ execute: text }));

  async function memoryOutside(asked: unknown): Promise<string> {
    const { outside, problems } = await vmDriver.plan(vmDriver.spec.parse(asked), used.cloud, testContext());
    expect(problems).toEqual([]);
    return outside.find(({ code }) => code === 'vm.memory')?.message ?? '';
  }

  labTest(
    'has nothing to recover on the disk, and the twin boots from it',
    async () => {
      const context = testContext();
      const blobs = memoryBlobs();
      const before = await vm.count();
      await using session = await vmDriver.prepare(spec, used.cloud, context);
      await session.hold!.settle!(context.signal, 20_000);
      await session.hold!.freeze(20_000, context.signal);
      await session.mark!.take(context.signal);
      const { conditions } = await session.hold!.evidence(context.signal);
      await session.hold!.thaw();
      await until(advances);
      expect(conditions.filter(({ expected, observed }) => expected !== observed)).toEqual([]);
      const made = await session.copy(blobs);
      expect(made.summary).toBe('1 disk, 1 file system frozen');
      expect(made.coverage.outside[0]?.message).toContain('its agent had frozen');

      const target = vmDriver.spec.parse({ domain: 'web', folder: '/srv/twins' });
      const from = memberOf(vmDriver, target, made, 0);
      await using held = await vmDriver.restore(
        target,
        used.sovereign,
        from,
        blobs,
        restoreOptions(),
        context,
      );
      expect(await on(used.sovereign, FEATURES)).not.toContain('needs_recovery');
      await held.release();
      const said = (): Promise<string> => on(used.sovereign, 'cat /srv/twins/*/serial');
      await until(async () => /TICK \d+\s+TICK/.test(await said()), 90_000);
      expect(await said()).not.toContain('JOURNAL');
      expect(Number(/BOOT (\d*)/.exec(await said())?.[1])).toBeGreaterThanOrEqual(before);
    },
    PATIENCE_MS,
  );

  for (const signal of ['SIGKILL', 'SIGSTOP'] as const)
    labTest(
      `${signal} when it is frozen: the guest writes on within the lease`,
      async () => {
        const child = await childAt(used.lab, spec, 'frozen', LEASE_MS);
        try {
          expect(await advances()).toBe(false);
          child.kill(signal);
          await until(advances, LEASE_MS + MARGIN_MS);
          const left = 'ls -d /var/tmp/stasis-vm-* 2> /dev/null || true';
          await until(async () => (await on(used.cloud, left)) === '', LEASE_MS + MARGIN_MS);
        } finally {
          child.kill('SIGKILL');
          if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
        }
        expect(await command(used.cloud, 'guest-fsfreeze-status')).toContain('thawed');
      },
      PATIENCE_MS,
    );

  labTest(
    'is not made of a guest that somebody else has frozen; one without an agent is as after a power cut',
    async () => {
      expect(await memoryOutside({ domain: 'web', memory: false })).toContain('its agent had frozen');
      await command(used.cloud, 'guest-fsfreeze-freeze');
      const { problems } = await vmDriver.plan(spec, used.cloud, testContext());
      expect(problems.map(({ code, at }) => ({ code, at }))).toEqual([
        { code: 'vm.agent-frozen', at: ['domain'] },
      ]);
      expect(await command(used.cloud, 'guest-fsfreeze-status')).toContain('frozen');
      await command(used.cloud, 'guest-fsfreeze-thaw');

      await defineDomain(used.cloud, 'plain', '/srv/plain', { system: WRITING_SYSTEM });
      expect(await memoryOutside({ domain: 'plain', memory: false })).toContain('as after a power cut');
    },
    PATIENCE_MS,
  );
});
