import type { Host } from '../../../provider/core/host.ts';
import { on } from '../process/rig.ts';
import { CountingVm, makeSystem } from './rig.ts';

export const WRITING_SYSTEM = '/opt/writing';
const AGENT_SOCKET = 'agent.sock';

/** Once a host: a guest that counts in a file of a file system (ext4) on its disk, and has an agent. */
export function makeWritingGuest(host: Host): Promise<void> {
  return makeSystem(host, WRITING_SYSTEM, 'writing.sh', ['/usr/sbin/qemu-ga']);
}

/** @param more of QEMU's arguments */
export async function startWritingVm(
  host: Host,
  folder: string,
  more: readonly string[] = [],
): Promise<CountingVm> {
  const make = 'mkdir -p "$1" && truncate -s 64M "$1/disk.raw" && mkfs.ext4 -q "$1/disk.raw"';
  await on(host, make, folder);
  const channel = channelTo('org.qemu.guest_agent.0', agentOf(folder));
  const devices = ['-device', 'virtio-serial-pci', ...channel, ...more];
  return CountingVm.start(host, folder, { format: 'raw', system: WRITING_SYSTEM, more: devices });
}

/** Where the agent of the guest with that folder answers. */
export function agentOf(folder: string): string {
  return `${folder}/${AGENT_SOCKET}`;
}

/** QEMU's arguments for a channel of that name to the guest, with its socket on the host. */
export function channelTo(name: string, socket: string): string[] {
  const device = ['-device', `virtserialport,chardev=${name},name=${name}`];
  return ['-chardev', `socket,path=${socket},server=on,wait=off,id=${name}`, ...device];
}

/** Says one command to a guest's agent, past all of ours; what it returns. */
export async function askAgent(host: Host, socket: string, command: string): Promise<unknown> {
  return JSON.parse(await on(host, ASK, socket, command));
}

const ASK = `python3 -c 'import json, os, socket, sys
door = socket.socket(socket.AF_UNIX)
door.settimeout(20)
door.connect(sys.argv[1])
sync = {"execute": "guest-sync-delimited", "arguments": {"id": os.getpid()}}
door.sendall(bytes([255]) + (json.dumps(sync) + "\\n" + json.dumps({"execute": sys.argv[2]}) + "\\n").encode())
lines = door.makefile("rb")
while json.loads(lines.readline().split(bytes([255]))[-1] or "{}").get("return") != os.getpid():
    pass
print(json.dumps(json.loads(lines.readline())["return"]))' "$@"
`;
