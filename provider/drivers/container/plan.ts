import type { Context } from '../../core/context.ts';
import type { CapturePlan, Examination } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import { copyMsOf, dumpMsOf, memoryBytesOf } from '../../runtime/estimate.ts';
import { examineRestore, lookForTools } from '../../runtime/restore-tools.ts';
import { type Look, look, lookAtTools } from './look.ts';
import { containerProblems, existenceProblems, machineProblems } from './obstacles.ts';
import { outsideOf } from './outside.ts';
import { RESTORE_TOOLS } from './plan-restore.ts';
import type { ContainerSpec } from './spec.ts';

export interface Inspection {
  readonly look: Look;
  readonly problems: readonly StasisError[];
}

/** All that plan and prepare have to know. Reads only. */
export async function inspect(spec: ContainerSpec, host: Host, signal: AbortSignal): Promise<Inspection> {
  const seen = await look(spec, host, signal);
  const problems = [
    ...machineProblems(seen.tools, seen.surroundings, host),
    ...existenceProblems(spec, seen, host),
    ...seen.containers.flatMap((one) => containerProblems(spec, one, seen)),
    ...fileProblems(spec, seen),
  ];
  return { look: seen, problems };
}

function fileProblems(spec: ContainerSpec, { folders, named }: Look): StasisError[] {
  const sources = named.flatMap(({ Mounts }) => (Mounts ?? []).map(({ Source }) => Source));
  return (spec.files ?? []).flatMap((path, index): StasisError[] => {
    const at = ['files', String(index)];
    if (!folders.get(path)?.exists)
      return [
        new StasisError('container.no-folder', `There is no folder ${path}.`, {
          hint: 'Name folders only.',
          at,
        }),
      ];
    if (named.length === 0 || sources.some((source) => source === path || source.startsWith(`${path}/`)))
      return [];
    return [
      new StasisError('container.not-mounted', `${path} is mounted into none of the containers.`, {
        hint: 'Capture it by a member "files" of its own.',
        at,
      }),
    ];
  });
}

export async function planCapture(spec: ContainerSpec, host: Host, context: Context): Promise<CapturePlan> {
  const { look: seen, problems } = await inspect(spec, host, context.signal);
  const { containers, folders, images, surroundings, tools, volumes } = seen;
  const all = [...folders.values()];
  const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + size, 0);
  const copied = all.filter(({ shares }) => !shares);
  const dumpMs = Math.max(0, ...containers.map(({ facts }) => dumpMsOf(facts)));
  const pids = containers.flatMap(({ facts }) => facts.processes.map(({ pid }) => pid));
  const where = `${surroundings.bootId}/${surroundings.namespaces.pid}`;
  return {
    problems,
    // The processes as the driver of processes has them: nobody captures them twice.
    identities: [
      ...pids.map((pid) => `process:${where}/${pid}`),
      ...volumes.map(({ Name }) => `volume:${where}/${Name}`),
    ],
    folders: [...volumes.map(({ Mountpoint }) => Mountpoint), ...(spec.files ?? [])],
    sizeBytes:
      sum(containers.map(({ facts }) => memoryBytesOf(facts))) +
      sum(all.map(({ sizeBytes }) => sizeBytes)) +
      sum(images.map(({ Size }) => Size)),
    pauseMs:
      containers.length === 0 ? 0 : Math.max(dumpMs, copyMsOf(sum(copied.map((one) => one.sizeBytes)))),
    outside: outsideOf(spec, seen),
    system: systemOf(seen, tools.podmanVersion),
  };
}

export function systemOf({ containers }: Look, podmanVersion: string): Record<string, string> {
  if (containers.length === 0) return {};
  const images = [...new Set(containers.map(({ container }) => container.ImageName))].join(', ');
  return { product: 'podman', version: podmanVersion, images };
}

export async function examine(host: Host, context: Context): Promise<Examination> {
  const { tools, surroundings, parts } = await lookAtTools(host, context.signal, lookForTools(RESTORE_TOOLS));
  const restoring = examineRestore('container', parts, host);
  const crun = /crun version (\S+)/.exec(tools.crun)?.[1] ?? '';
  return {
    found: [
      ...(tools.podman === '' ? [] : [{ what: `podman ${tools.podmanVersion}`.trim(), where: tools.podman }]),
      ...(crun === '' ? [] : [{ what: `crun ${crun}`, where: 'crun' }]),
      ...restoring.found,
    ],
    problems: [...machineProblems(tools, surroundings, host), ...restoring.problems],
  };
}
