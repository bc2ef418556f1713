import type { Host } from '../../../provider/core/host.ts';
import { localHost } from '../../../provider/hosts/local/host.ts';

export async function open(): Promise<Host> {
  return localHost();
}
