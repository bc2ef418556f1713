import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sshHost } from '../../../provider/hosts/ssh/host.ts';
import type { SshSpec } from '../../../provider/hosts/ssh/spec.ts';
import { labOrReason } from '../../support/lab.ts';
import { processList } from './process-list.ts';
import { hostConformance } from './suite.ts';

const lab = await labOrReason();

for (const user of ['root', 'deploy'])
  hostConformance({
    name: `ssh, as ${user} of a machine of the lab`,
    reason: lab.reason,
    async start() {
      const started = await lab.start();
      const { address, hostKey } = started.hosts.cloud;
      const privateKey = await readFile(started.keyFile, 'utf8');
      const spec: SshSpec = { address, user, privateKey, hostKey };
      const host = sshHost('cloud', spec);
      return {
        host,
        child: { module: join(import.meta.dirname, 'ssh-host.ts'), argument: JSON.stringify(spec) },
        // A host of the lab is seen from outside: its processes are in our list, too.
        processList,
        async [Symbol.asyncDispose]() {
          await host[Symbol.asyncDispose]();
          await started[Symbol.asyncDispose]();
        },
      };
    },
  });
