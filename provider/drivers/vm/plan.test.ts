import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { memoryBlobs, testContext } from '../../../test/support/context.ts';
import { type Lab, labOrReason } from '../../../test/support/lab.ts';
import { labHost, on } from '../../../test/support/process/rig.ts';
import { testUnless } from '../../../test/support/skipped.ts';
import { CountingVm, makeGuest } from '../../../test/support/vm/rig.ts';
import type { Host } from '../../core/host.ts';
import type { MemberCapture } from '../../core/manifest.ts';
import type { VmContent } from './content.ts';
import { vmDriver } from './driver.ts';

const here = await labOrReason();
const labTest = testUnless(here.reason);
const PATIENCE_MS = 240_000;

describe('what names a VM', () => {
  test.each([
    [{}, 'vm.which-vm'],
    [{ qmp: '/run/a.sock', domain: 'web' }, 'vm.which-vm'],
    [{ qmp: '/run/a.sock', uri: 'qemu:///system' }, 'vm.uri-without-domain'],
    [{ qmp: '/run/a.sock', agent: '/run/b.sock' }, 'vm.agent-with-memory'],
    [{ domain: 'web', memory: false, agent: '/run/b.sock' }, 'vm.agent-of-domain'],
  ])('%j is refused', (spec, code) => {
    const parsed = vmDriver.spec.safeParse(spec);
    const codes = parsed.error?.issues.map((issue) => (issue as { params?: { code?: string } }).params?.code);
    expect(codes).toContain(code);
  });

  test('its endpoint is what names it, and no folder', () => {
    const spec = vmDriver.spec.parse({ qmp: '/run/a.sock', folder: '/srv/x', scratch: '/tmp' });
    expect(vmDriver.endpoint(spec)).toBe('vm://qmp/run/a.sock');
    expect(vmDriver.endpoint(vmDriver.spec.parse({ domain: 'web' }))).toBe('vm://domain/web');
  });
});

describe('the plan of a VM', () => {
  let lab: Lab;
  let cloud: Host & AsyncDisposable;
  let vm: CountingVm;

  beforeAll(async () => {
    if (here.reason !== undefined) return;
    lab = await here.start();
    cloud = labHost(lab, 'cloud');
    await makeGuest(cloud);
    const shared = 'memory-backend-memfd,id=m,size=128M,share=on';
    const more = ['-object', shared, '-machine', 'memory-backend=m'];
    vm = await CountingVm.start(cloud, '/srv/vm', { more });
  }, PATIENCE_MS);
  afterAll(async () => {
    await cloud?.[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
  }, PATIENCE_MS);

  async function codesOf(spec: object): Promise<readonly string[]> {
    const { problems } = await vmDriver.plan(vmDriver.spec.parse(spec), cloud, testContext());
    return problems.filter(({ severity }) => severity === 'error').map(({ code }) => code);
  }

  labTest(
    'refuses what cannot be captured, with the reason, and takes the disks where only the memory is at fault',
    async () => {
      expect(await codesOf({ qmp: vm.qmp })).toEqual(['vm.shared-memory']);
      expect(await codesOf({ qmp: vm.qmp, memory: false })).toEqual([]);
      expect(await codesOf({ qmp: '/run/nobody.sock' })).toEqual(['vm.unreachable']);
      expect(await codesOf({ domain: 'nobody' })).toEqual(['vm.unreachable']);
      expect(await codesOf({ qmp: vm.qmp, memory: false, scratch: '/nowhere' })).toEqual(['vm.no-scratch']);
      await on(cloud, 'mkdir -p /mnt/small && mount -t tmpfs -o size=8m small /mnt/small');
      expect(await codesOf({ qmp: vm.qmp, memory: false, scratch: '/mnt/small' })).toEqual(['vm.no-room']);

      const busy = on(cloud, 'sleep 12 | socat -t 1 - "UNIX-CONNECT:$1" > /dev/null', vm.qmp);
      await on(cloud, 'sleep 1');
      expect(await codesOf({ qmp: vm.qmp, memory: false })).toEqual(['vm.monitor-busy']);
      await busy;

      await on(
        cloud,
        '{ echo \'{"execute":"qmp_capabilities"}{"execute":"stop"}\'; sleep 1; } | socat -t 2 - "UNIX-CONNECT:$1"',
        vm.qmp,
      );
      expect(await codesOf({ qmp: vm.qmp, memory: false })).toEqual(['vm.not-running']);
    },
    PATIENCE_MS,
  );

  labTest(
    'of a restore refuses a host whose QEMU cannot be that machine, and a place where a VM is',
    async () => {
      const content: VmContent = {
        machine: {
          ...{ type: 'pc-q35-11.1', cpuType: 'qemu64-x86_64-cpu', cpus: 1, memoryBytes: 128 * 1024 * 1024 },
          ...{ accelerator: 'tcg', version: '8.2.0' },
        },
        ...{ disks: [], files: [], bridges: [], made: { argv: ['qemu-system-x86_64'] } },
      };
      const digest = await memoryBlobs().put((async function* () {})(), { chunking: 'content' });
      const planned = async (change: Partial<VmContent>, spec: object) => {
        const from = { contentVersion: 1, content: { ...content, ...change } } as unknown as MemberCapture;
        const plan = await vmDriver.planRestore(vmDriver.spec.parse(spec), cloud, from, testContext());
        return { codes: plan.problems.map(({ code }) => code), empty: plan.empty };
      };
      const machine = (change: Partial<VmContent['machine']>) => ({
        machine: { ...content.machine, ...change },
      });
      const target = { qmp: '/run/twin.sock', folder: '/srv/twin' };
      expect(await planned({}, target)).toEqual({ codes: [], empty: true });
      expect(await planned({}, { ...target, qmp: vm.qmp })).toEqual({ codes: [], empty: false });
      expect((await planned(machine({ type: 'pc-q35-99.1' }), target)).codes).toEqual(['vm.no-machine']);
      expect((await planned(machine({ cpuType: 'z80-cpu' }), target)).codes).toEqual(['vm.other-processor']);
      expect((await planned(machine({ accelerator: 'kvm' }), target)).codes).toEqual(['vm.no-kvm']);
      const memory = { pages: digest, frame: digest, devices: digest };
      expect((await planned({ memory, ...machine({ version: '99.0.0' }) }, target)).codes).toEqual([
        'vm.older-qemu',
      ]);
      expect((await planned({ made: { argv: ['qemu-system-none'] } }, target)).codes).toEqual(['vm.no-qemu']);
      expect((await planned({ bridges: ['br-none'] }, target)).codes).toEqual(['vm.no-bridge']);
      expect((await planned({}, { domain: 'web' })).codes).toEqual(['vm.other-kind']);
    },
    PATIENCE_MS,
  );
});
