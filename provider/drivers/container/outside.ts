import type { OutsideItem } from '../../core/manifest.ts';
import { listed, peersOf, WAITING, waitingOf } from '../../runtime/outside.ts';
import { isWithin } from '../../runtime/paths.ts';
import type { Look, LookedContainer } from './look.ts';
import type { ContainerSpec } from './spec.ts';

/** What is known to be outside of a capture of these containers. */
export function outsideOf(spec: ContainerSpec, { containers }: Look): OutsideItem[] {
  const item = (code: string, names: readonly string[], what: string): OutsideItem[] => {
    const unique = [...new Set(names)].sort();
    return unique.length === 0 ? [] : [{ code: `container.${code}`, message: `${what}: ${listed(unique)}` }];
  };
  const mounts = containers.flatMap(({ container }) => container.Mounts ?? []);
  const read = mounts.filter(
    ({ Type, Source, RW }) => Type === 'bind' && !RW && !isWithin(Source, spec.files),
  );
  const secrets = containers.flatMap(({ container }) => container.Config.Secrets ?? []);
  return [
    ...item(
      'peer',
      peersAmong(containers),
      'connections to others, which live on only where they are restored with this member',
    ),
    ...item(
      'backlog',
      containers.flatMap(({ facts }) => waitingOf(facts)),
      WAITING,
    ),
    ...item(
      'read-only-mount',
      read.map(({ Source }) => Source),
      'folders of the host that are only read',
    ),
    ...item(
      'secret',
      secrets.map(({ Name }) => Name),
      'secrets of podman, which the target needs as well',
    ),
    ...item(
      'log',
      containers.map(({ container }) => container.Name),
      'what the containers have printed so far',
    ),
  ];
}

/** Containers of a pod talk to one another: those are no peers from outside. */
function peersAmong(containers: readonly LookedContainer[]): string[] {
  const own = new Set(containers.flatMap(({ facts }) => facts.sockets.map(({ local }) => local)));
  return containers.flatMap(({ facts }) => peersOf(facts)).filter((peer) => !own.has(peer));
}
