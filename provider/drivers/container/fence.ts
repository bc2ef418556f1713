import type { Context } from '../../core/context.ts';
import type { FenceControl } from '../../core/controls.ts';
import type { RestoreOptions } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import { type FencedGroups, liftGroups, raiseGroups, readStopped } from '../../runtime/fence.ts';
import { inspect } from './plan.ts';
import type { Container } from './podman.ts';
import type { ContainerSpec } from './spec.ts';

/** All containers are frozen, each in its own group, and every capture leaves them so until the fence is lifted. */
export const fence: FenceControl<ContainerSpec> = {
  obstacles: async (spec, at, { signal }) => {
    const { problems, look } = await inspect(spec, at, signal);
    return [
      ...problems.filter(({ severity }) => severity === 'error'),
      ...look.containers.flatMap(({ container }) => endedWhenSilent(container, spec)),
    ];
  },
  raise,
  readStopped: async (spec, at, { signal, clock }) =>
    readStopped(await groupsOf(spec, at, signal), at, clock),
};

/** What is frozen answers no health check. */
function endedWhenSilent({ Name, Config }: Container, spec: ContainerSpec): StasisError[] {
  const action = Config.HealthcheckOnFailureAction;
  if (['', 'none'].includes(action)) return [];
  return [
    new StasisError(
      'container.fence-health-check',
      `Podman would ${action} ${Name}, as a health check of what is fenced fails.`,
      {
        hint: `podman update --health-on-failure none ${Name}`,
        at: [spec.pod === undefined ? 'name' : 'pod'],
      },
    ),
  ];
}

async function raise(
  spec: ContainerSpec,
  at: Host,
  journal: RestoreOptions['journal'],
  { signal }: Context,
): Promise<void> {
  const groups = await groupsOf(spec, at, signal);
  await journal({ fencedGroups: groups.map((group) => ({ group })) } satisfies FencedGroups);
  await raiseGroups(groups, at, signal);
}

async function groupsOf(spec: ContainerSpec, at: Host, signal: AbortSignal): Promise<string[]> {
  const { problems, look } = await inspect(spec, at, signal);
  const problem = problems.find(({ severity }) => severity === 'error');
  if (problem) throw problem;
  return look.containers.map(({ group }) => group);
}

/** Idempotent: what has ended is fine. */
export async function lift({ fencedGroups }: FencedGroups, at: Host, { signal }: Context): Promise<void> {
  await liftGroups(
    fencedGroups.map(({ group }) => group),
    at,
    signal,
  );
}
