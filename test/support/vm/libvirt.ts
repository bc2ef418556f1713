import type { Host } from '../../../provider/core/host.ts';
import { on } from '../process/rig.ts';

/** libvirt's daemons, which a host of the lab does not start by itself. */
export async function startLibvirt(host: Host): Promise<void> {
  await on(host, START);
}

const START = `
mkdir -p /run/libvirt /var/lib/libvirt/qemu /var/log/libvirt/qemu
virtlogd -d && libvirtd -d || exit 1
n=0
until virsh -q -c qemu:///system list > /dev/null 2>&1; do
  n=$((n + 1)); [ $n -lt 200 ] || exit 1
  sleep 0.1
done
`;

export interface DomainOptions {
  /** The folder of its kernel and initial file system: the counting guest's if not set. */
  readonly system?: string;
  /** Elements of XML among its devices. */
  readonly devices?: string;
}

/** Defines and starts a domain; a disk that is in the folder already is its own. */
export async function defineDomain(
  host: Host,
  name: string,
  folder: string,
  options: DomainOptions = {},
): Promise<void> {
  await on(host, DEFINE, name, folder, xmlOf(name, folder, options));
}

const DEFINE = `
mkdir -p "$2" && cd "$2" || exit 1
[ -e disk.qcow2 ] || qemu-img create -q -f qcow2 disk.qcow2 64M
printf %s "$3" > "$1.xml"
virsh -q -c qemu:///system define "$1.xml" && virsh -q -c qemu:///system start "$1"
`;

function xmlOf(name: string, folder: string, options: DomainOptions): string {
  const { system = '/opt/guest', devices = '' } = options;
  return `<domain type='qemu'>
  <name>${name}</name>
  <memory unit='MiB'>128</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>${system}/vmlinuz</kernel>
    <initrd>${system}/guest.cpio.gz</initrd>
    <cmdline>console=ttyS0 quiet panic=-1 tsc=reliable</cmdline>
  </os>
  <features><acpi/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='${folder}/disk.qcow2'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <serial type='file'><source path='${folder}/serial'/></serial>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    ${devices}
  </devices>
</domain>
`;
}
