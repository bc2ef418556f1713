import { z } from 'zod';

const absolute = (value: string): boolean => value.startsWith('/') && !value.includes('\0');
const absolutePath = z.string().refine(absolute, 'An absolute path is needed.');

const fields = z.strictObject({
  qmp: absolutePath
    .optional()
    .describe(
      'The Unix socket at which QEMU answers QMP (`-qmp unix:/run/vm/qmp.sock,server=on,wait=off`). QEMU serves one client at a time on it, so it must be free for the time of a capture. Of a restore: where the restored VM is to answer.',
    )
    .meta({ role: 'endpoint' }),
  domain: z
    .string()
    .regex(/^[\w@.:+][\w@.:+-]*$/, 'This is no name of a libvirt domain.')
    .optional()
    .describe(
      'The libvirt domain that the VM is, by name. Of a restore: the name under which it is defined and started.',
    )
    .meta({ role: 'endpoint' }),
  uri: z
    .string()
    .regex(/^qemu(\+unix)?:\/\/\/\S+$/, 'A URI of a libvirt on the host itself is needed: qemu:///system.')
    .optional()
    .describe('With `domain`: which libvirt of the host. qemu:///system if not set.')
    .meta({ role: 'endpoint' }),
  memory: z
    .boolean()
    .optional()
    .describe(
      'Whether memory and devices are captured with the disks. Without them a restored VM boots from its disks: as after a power cut, or with whole file systems where the agent of the guest freezes them. True if not set.',
    )
    .meta({ role: 'selection' }),
  agent: absolutePath
    .optional()
    .describe(
      "With `qmp` and without memory: the Unix socket of the guest's QEMU agent (`-chardev socket,path=/run/vm/agent.sock,server=on,wait=off,id=agent` for a `virtserialport` named `org.qemu.guest_agent.0`). It freezes the guest's file systems for the moment of the cut, so that they need no recovery. Of a `domain` libvirt has that channel, and it is used where the guest has it open. Refused with memory, which has what is not yet on the disks. A restore does not use it.",
    )
    .meta({ role: 'access' }),
  folder: absolutePath
    .optional()
    .describe(
      'Of a restore: the folder in which the restored VM gets a folder of its own for disks, kernel, firmware, and the sockets and logs on its command line. /var/lib/stasis/vm if not set.',
    )
    .meta({ role: 'access' }),
  scratch: absolutePath
    .optional()
    .describe(
      'A folder on the host that QEMU may write to, with room for the memory and for what the VM writes while it is copied; used while a capture or a restore lasts. /var/tmp if not set.',
    )
    .meta({ role: 'access' }),
});

export const vmSpec = fields
  .refine((spec) => (spec.qmp === undefined) !== (spec.domain === undefined), {
    message: 'Exactly one of qmp and domain names the VM.',
    params: {
      code: 'vm.which-vm',
      hint: 'Use domain where libvirt runs the VM, as it keeps the QMP socket to itself; else qmp.',
    },
  })
  .refine((spec) => spec.uri === undefined || spec.domain !== undefined, {
    message: 'uri belongs to domain.',
    path: ['uri'],
    params: { code: 'vm.uri-without-domain' },
  })
  .refine((spec) => spec.agent === undefined || spec.domain === undefined, {
    message: 'agent belongs to qmp.',
    path: ['agent'],
    params: {
      code: 'vm.agent-of-domain',
      hint: 'Leave it out: the agent of a domain is spoken to by libvirt, where the guest has the channel open.',
    },
  })
  .refine((spec) => spec.agent === undefined || spec.memory === false, {
    message: 'agent belongs to memory: false.',
    path: ['agent'],
    params: {
      code: 'vm.agent-with-memory',
      hint: 'Leave it out: with the memory, all that is not yet on the disks is captured. Or set memory to false.',
    },
  });
export type VmSpec = z.infer<typeof vmSpec>;

const DEFAULT_FOLDER = '/var/lib/stasis/vm';
const DEFAULT_SCRATCH = '/var/tmp';
const DEFAULT_URI = 'qemu:///system';

export function folderOf(spec: VmSpec): string {
  return spec.folder ?? DEFAULT_FOLDER;
}

export function scratchOf(spec: VmSpec): string {
  return spec.scratch ?? DEFAULT_SCRATCH;
}

export function uriOf(spec: Pick<VmSpec, 'uri'>): string {
  return spec.uri ?? DEFAULT_URI;
}

export function withMemory(spec: VmSpec): boolean {
  return spec.memory ?? true;
}

export function endpointOf(spec: VmSpec): string {
  if (spec.qmp !== undefined) return `vm://qmp${spec.qmp}`;
  const uri = spec.uri === undefined ? '' : `?uri=${encodeURIComponent(spec.uri)}`;
  return `vm://domain/${spec.domain ?? ''}${uri}`;
}
