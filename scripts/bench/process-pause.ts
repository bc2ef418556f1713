import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { capture } from '../../provider/coordinator/capture.ts';
import type { Host } from '../../provider/core/host.ts';
import type { Store } from '../../provider/core/store.ts';
import { processDriver } from '../../provider/drivers/process/driver.ts';
import { ociLayout } from '../../provider/stores/oci-layout/type.ts';
import { testContext } from '../../test/support/context.ts';
import { labOrReason } from '../../test/support/lab.ts';
import { labHost, on, until } from '../../test/support/process/rig.ts';
import { startService } from '../../test/support/process/servers.ts';
import { type Figure, median, shareOf } from './figure.ts';

const ROUNDS = 7;
/** What we may add to what CRIU takes. */
const TARGET = 1.15;
const SPEC = { pidFile: '/run/cache.pid' };

/** Prints how long CRIU alone takes for the tree, in nanoseconds, from its start to its end. */
const BARE = `
rm -rf /run/bare && mkdir /run/bare
from=$(date +%s%N)
criu dump --tree "$(cat /run/cache.pid)" --images-dir /run/bare --leave-running --tcp-established --ext-unix-sk --file-locks \\
  --network-lock skip --manage-cgroups=ignore --skip-in-flight -v2 --log-file log || exit 1
echo $(($(date +%s%N) - from))
rm -rf /run/bare
`;

/** The pause of a process member against a bare dump of the same tree, on a host of the lab: a Redis of some 100 MB. */
export async function benchProcessPause(): Promise<readonly Figure[]> {
  const here = await labOrReason();
  if (here.reason !== undefined) {
    console.error(`not measured: the pause of a process member, as ${here.reason}`);
    return [];
  }
  await using resources = new AsyncDisposableStack();
  const lab = resources.use(await here.start());
  const host = resources.use(labHost(lab, 'cloud'));
  const folder = await mkdtemp(join(tmpdir(), 'stasis-bench-'));
  resources.defer(() => rm(folder, { recursive: true, force: true }));
  const store = await ociLayout.open({ path: join(folder, 'store') }, testContext());
  await startService(host, 'cache', 'redis', 'redis-server', '--save', '', '--bind', '127.0.0.1');
  await until(async () => (await on(host, 'redis-cli ping')) === 'PONG');
  await on(
    host,
    "redis-cli eval \"for n = 1, 100000 do redis.call('set', n, string.rep('x', 900) .. n) end\" 0",
  );
  const [ours, bare]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    bare.push(Number(await on(host, BARE)) / 1e6);
    ours.push(await pausedMs(host, store));
  }
  return [
    shareOf(
      {
        name: 'pause of a process of 100 MB',
        unit: 'ms',
        ...{ ours: median(ours), peer: median(bare), peerName: 'criu dump alone' },
      },
      TARGET,
    ),
  ];
}

async function pausedMs(host: Host, store: Store): Promise<number> {
  const member = { name: 'cache', driver: processDriver, spec: processDriver.spec.parse(SPEC), host };
  const limits = { maxPauseMs: 30_000, maxBlurMs: 0 };
  const request = { name: 'bench', owner: 'bench', limits, createdBy: 'bench', members: [member], store };
  return (await capture(request, testContext())).manifest.pauseMs;
}
