import { join } from 'node:path';
import { localHost } from '../../../provider/hosts/local/host.ts';
import { processList } from './process-list.ts';
import { hostConformance } from './suite.ts';

hostConformance({
  name: 'local',
  reason: undefined,
  async start() {
    return {
      host: localHost(),
      child: { module: join(import.meta.dirname, 'local-host.ts'), argument: '' },
      processList,
      async [Symbol.asyncDispose]() {},
    };
  },
});
