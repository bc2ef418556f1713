import type { Host } from '../../../provider/core/host.ts';
import { sshHost } from '../../../provider/hosts/ssh/host.ts';
import type { SshSpec } from '../../../provider/hosts/ssh/spec.ts';

/** @param argument an SshSpec as JSON */
export async function open(argument: string): Promise<Host> {
  return sshHost('far', JSON.parse(argument) as SshSpec);
}
