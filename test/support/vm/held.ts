import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Lab } from '../lab.ts';

const CHILD = join(import.meta.dirname, 'held-child.ts');

/** A process of its own that captures the VM of this spec on `cloud` up to a step (held-child.ts), and stays there. */
export async function childAt(lab: Lab, spec: object, step: string, leaseMs: number): Promise<ChildProcess> {
  const ssh = {
    ...{ address: lab.hosts.cloud.address, user: 'root' },
    ...{ privateKeyFile: lab.keyFile, knownHostsFile: lab.knownHostsFile },
  };
  const child = spawn(process.execPath, [CHILD, JSON.stringify(spec), JSON.stringify(ssh), step], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, LEASE_MS: String(leaseMs) },
  });
  let said = '';
  for await (const chunk of child.stdout!) {
    said += String(chunk);
    if (said.includes('there')) return child;
  }
  throw new Error('the child ended before it was there');
}
