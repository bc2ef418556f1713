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
  const agent = `socket,path=${agentOf(folder)},server=on,wait=off,id=agent`;
  const channel = ['-chardev', agent, ...port('agent', 'org.qemu.guest_agent.0')];
  const system = WRITING_SYSTEM;
  const options = {
    format: 'raw',
    system,
    more: ['-device', 'virtio-serial-pci', ...channel, ...more],
  } as const;
  return CountingVm.start(host, folder, options);
}

/** Where the agent of the guest with that folder answers. */
export function agentOf(folder: string): string {
  return `${folder}/${AGENT_SOCKET}`;
}

/** A channel of that name to the guest, by the character device of that id. */
export function port(id: string, name: string): string[] {
  return ['-device', `virtserialport,chardev=${id},name=${name}`];
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
