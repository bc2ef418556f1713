import { expect, test } from '@jest/globals';
import type { MemberCapture } from '../../core/manifest.ts';
import { networkObstacles } from './egress.ts';

const blob = { digest: `sha256-64k:${'0'.repeat(64)}`, sizeBytes: 0 };

function captured(made: object): MemberCapture {
  const machine = { type: 'pc-q35-9.0', cpuType: 'qemu64', cpus: 1, memoryBytes: 1, version: '9.0.0' };
  return {
    contentVersion: 1,
    content: {
      ...{ machine: { ...machine, accelerator: 'tcg' }, disks: [], made, files: [], bridges: [] },
      ...{ memory: { pages: blob, frame: blob, devices: blob } },
    },
  } as unknown as MemberCapture;
}

test.each([
  [
    true,
    { argv: ['qemu-system-x86_64', '-netdev', 'user,id=a', '-device', 'e1000,netdev=a', '-nodefaults'] },
  ],
  [true, { argv: ['qemu-system-x86_64', '--nic', 'user'] }],
  [true, { argv: ['qemu-system-x86_64', '-m', '64'] }],
  [false, { argv: ['qemu-system-x86_64', '-nic', 'none'] }],
  [false, { argv: ['qemu-system-x86_64', '-nodefaults', '-m', '64'] }],
  [true, { xml: "<domain><devices><interface type='bridge'/></devices></domain>" }],
  [false, { xml: '<domain><devices/></domain>' }],
])('a VM that has a network (%p) cannot be blocked, and is refused where that is asked for', (has, made) => {
  const problems = networkObstacles(captured(made));
  expect(problems.map(({ code }) => code)).toEqual(has ? ['vm.egress-not-blocked'] : []);
});
