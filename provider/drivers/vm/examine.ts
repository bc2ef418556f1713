import type { Examination } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import { runParts } from '../../runtime/machine.ts';

const LOOK = `
for program in qemu-img socat ncat nc virsh; do part $program; command -v $program; done
part version; qemu-img --version
part kvm; [ -w /dev/kvm ] && echo yes
`;

/** What a host has for capturing VMs. */
export async function examineVm(host: Host, signal: AbortSignal): Promise<Examination> {
  try {
    const parts = await runParts(host, LOOK, [], signal);
    const where = (program: string): string => (parts.get(program) ?? '').trim();
    const version = /version (\S+)/.exec(parts.get('version') ?? '')?.[1] ?? '';
    const found = ['qemu-img', 'socat', 'ncat', 'nc', 'virsh']
      .filter((program) => where(program) !== '')
      .map((program) => ({
        what: program === 'qemu-img' ? `qemu-img ${version}`.trim() : program,
        where: where(program),
      }));
    if (where('kvm') !== '') found.push({ what: 'KVM', where: '/dev/kvm' });
    const problems = where('qemu-img') === '' ? [missing(host)] : [];
    return { found, problems };
  } catch (error) {
    if (error instanceof StasisError) return { found: [], problems: [error] };
    throw error;
  }
}

function missing(host: Host): StasisError {
  return new StasisError('vm.no-qemu-img', `There is no qemu-img on ${host.name}.`, {
    hint: 'Install QEMU: apt-get install qemu-system-x86 qemu-utils socat.',
  });
}
