import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { capture } from '../../provider/coordinator/capture.ts';
import { startClock } from '../../provider/core/clock.ts';
import type { Context } from '../../provider/core/context.ts';
import type { Host } from '../../provider/core/host.ts';
import { STORE_TYPES } from '../../provider/stores/registry.ts';
import { labOrReason } from '../../test/support/lab.ts';
import { labHost, on } from '../../test/support/process/rig.ts';
import { CountingVm, makeGuest } from '../../test/support/vm/rig.ts';
import { type Figure, median, shareOf } from './figure.ts';

const ROUNDS = 5;

/** The pause of a VM of 128 MB in the lab against what is done without us: QMP stop, migrate, a copy of the disk, cont. */
export async function benchVm(): Promise<readonly Figure[]> {
  const here = await labOrReason();
  if (here.reason !== undefined) {
    console.error(`not measured: ${here.reason}`);
    return [];
  }
  await using resources = new AsyncDisposableStack();
  const lab = resources.use(await here.start());
  const cloud = resources.use(labHost(lab, 'cloud'));
  const root = await mkdtemp(join(tmpdir(), 'stasis-bench-'));
  resources.defer(() => rm(root, { recursive: true, force: true }));
  await makeGuest(cloud);
  const vm = await CountingVm.start(cloud, '/srv/vm');
  const pausesMs: number[] = [];
  const spansMs: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    spansMs.push(await spanByHand(cloud, vm));
    pausesMs.push(await pauseOfCapture(cloud, vm, join(root, 'store')));
  }
  const peerName = 'QMP stop, migrate, cp of the disk, cont';
  return [
    shareOf(
      { name: 'pause of a VM', unit: 'ms', ours: median(pausesMs), peer: median(spansMs), peerName },
      1,
    ),
  ];
}

async function pauseOfCapture(host: Host, vm: CountingVm, path: string): Promise<number> {
  const [type] = STORE_TYPES;
  const context: Context = {
    ...{ signal: new AbortController().signal, clock: startClock() },
    ...{ logger: { log: () => {} }, progress: () => {} },
  };
  const { manifest } = await capture(
    {
      ...{
        name: 'machine',
        owner: 'bench',
        createdBy: 'bench',
        limits: { maxPauseMs: 20_000, maxBlurMs: 0 },
      },
      store: await type!.open({ path }, context),
      members: [memberOf('vm', { qmp: vm.qmp }, { name: 'machine', host })],
    },
    context,
  );
  return manifest.pauseMs;
}

/** One connection, as a script of anybody's has it; the time from before `stop` to after `cont`, on the host's own clock. */
const BY_HAND = `
import json, shutil, socket, sys, time
qmp, disk = sys.argv[1:]
s = socket.socket(socket.AF_UNIX)
s.connect(qmp)
f = s.makefile('rw')
f.readline()
def q(command, **arguments):
    f.write(json.dumps({'execute': command, 'arguments': arguments}) + '\\n')
    f.flush()
    while True:
        answer = json.loads(f.readline())
        if 'return' in answer or 'error' in answer: return answer
q('qmp_capabilities')
q('migrate-set-parameters', **{'max-bandwidth': 1 << 40})
began = time.monotonic()
q('stop')
q('migrate', uri='file:/var/tmp/by-hand.memory')
while q('query-migrate')['return'].get('status') not in ('completed', 'failed'): time.sleep(0.002)
shutil.copyfile(disk, '/var/tmp/by-hand.disk')
q('cont')
print((time.monotonic() - began) * 1000)
`;

import { memberOf } from '../../test/support/member.ts';

async function spanByHand(host: Host, vm: CountingVm): Promise<number> {
  const printed = await on(host, 'python3 -c "$1" "$2" "$3"', BY_HAND, vm.qmp, `${vm.folder}/disk.qcow2`);
  await vm.untilCounts(2);
  return Number(printed);
}
