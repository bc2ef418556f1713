import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { capture } from '../../provider/coordinator/capture.ts';
import type { Member } from '../../provider/coordinator/member.ts';
import { processDriver } from '../../provider/drivers/process/driver.ts';
import { ociLayout } from '../../provider/stores/oci-layout/type.ts';
import { labOrReason } from '../../test/support/lab.ts';
import { labHost } from '../../test/support/process/rig.ts';
import { startService } from '../../test/support/process/servers.ts';
import { quietContext } from './context.ts';
import { type Figure, median, shareOf } from './figure.ts';
import { type NativeMember, nativePauseMs } from './native-photo.ts';

const COUNTS = [1, 2, 4, 8, 16, 32];
const ROUNDS = 5;
/** 0 is a pause that does not grow with the members, 1 one that grows as they do, one after another. */
const TARGET = 0.3;

/**
 * How the pause grows with the number of members: processes of a megabyte each, on two hosts of the lab in turn. Each takes its
 * own time of a processor, so that this says as much of the machine: `taskset -c 0` shows by how much.
 */
export async function benchMembers(): Promise<readonly Figure[]> {
  const here = await labOrReason();
  if (here.reason !== undefined) {
    console.error(`not measured: the pause over the number of members, as ${here.reason}`);
    return [];
  }
  await using resources = new AsyncDisposableStack();
  const lab = resources.use(await here.start());
  const hosts = [resources.use(labHost(lab, 'cloud')), resources.use(labHost(lab, 'sovereign'))];
  const folder = await mkdtemp(join(tmpdir(), 'stasis-bench-'));
  resources.defer(() => rm(folder, { recursive: true, force: true }));
  const store = await ociLayout.open({ path: join(folder, 'store') }, quietContext());
  const members: Member[] = [];
  const natives: NativeMember[] = [];
  for (let index = 0; index < Math.max(...COUNTS); index += 1) {
    const host = hosts[index % hosts.length]!;
    const name = `member-${index}`;
    await startService(host, name, 'root', 'sleep', '100000');
    natives.push({ host, pidFile: `/run/${name}.pid` });
    members.push({
      name,
      driver: processDriver,
      spec: processDriver.spec.parse({ pidFile: `/run/${name}.pid` }),
      host,
    });
  }
  const pausesMs: number[] = [];
  const nativesMs: number[] = [];
  for (const count of COUNTS) {
    const taken: number[] = [];
    const native: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const sealed = await capture(
        {
          ...{ name: `group-${count}`, owner: 'bench', createdBy: 'bench', store },
          ...{ limits: { maxPauseMs: 60_000, maxBlurMs: 0 }, members: members.slice(0, count) },
        },
        quietContext(),
      );
      taken.push(sealed.manifest.pauseMs);
      native.push(await nativePauseMs(natives.slice(0, count)));
    }
    pausesMs.push(median(taken));
    nativesMs.push(median(native));
  }
  const processors = `on ${availableParallelism()} processors`;
  return [
    ...COUNTS.map((count, index) =>
      shareOf({
        name: `pause of ${count} ${count === 1 ? 'member' : 'members'}`,
        unit: 'ms',
        ...{ ours: pausesMs[index]!, peer: nativesMs[index]!, peerName: NATIVE },
      }),
    ),
    shareOf(
      {
        name: `what each further member adds to the pause, ${processors}`,
        unit: 'ms',
        ...{ ours: slopeOf(COUNTS, pausesMs), peer: slopeOf(COUNTS, nativesMs), peerName: NATIVE },
      },
      TARGET,
    ),
    shareOf(
      {
        name: `what each further member adds to the pause, ${processors}`,
        unit: 'ms',
        ...{ ours: slopeOf(COUNTS, pausesMs), peer: pausesMs[0]!, peerName: 'our pause of 1 member' },
      },
      TARGET,
    ),
  ];
}

const NATIVE = 'the same stopped by kill, dumped by criu one after another';

/** Of the line of least squares. */
function slopeOf(xs: readonly number[], ys: readonly number[]): number {
  const points = xs.map((x, index) => [x, ys[index]!] as const);
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const above = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const below = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return above / below;
}
