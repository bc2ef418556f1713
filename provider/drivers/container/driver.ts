import type { Context } from '../../core/context.ts';
import type { Driver, Held } from '../../core/driver.ts';
import type { Host } from '../../core/host.ts';
import type { Answers } from '../../core/probe.ts';
import { questions } from '../../runtime/answers.ts';
import { parseFencedGroups } from '../../runtime/fence.ts';
import { containerAnswers } from './answers.ts';
import { setContainerEgress } from './egress.ts';
import { fence, lift } from './fence.ts';
import { examine, inspect, planCapture } from './plan.ts';
import { planRestore } from './plan-restore.ts';
import { restoreContainers, undoContainers } from './restore.ts';
import { ContainerSession } from './session.ts';
import { type ContainerSpec, containerSpec, endpointOf } from './spec.ts';

/**
 * Containers of podman with their memory, image, changes, volumes and networks, by crun and CRIU. See README.md for
 * what it captures, how, and what it refuses.
 */
export const containerDriver: Driver<ContainerSpec> = {
  name: 'container',
  summary:
    'A container of podman, or all of a pod, with memory, image, volumes, networks and TCP connections, by name.',
  spec: containerSpec,
  traits: { layers: ['compute', 'runtime', 'data'], fidelity: 'identical', copies: 'after-release', rank: 0 },
  questions,
  endpoint: endpointOf,
  plan: planCapture,
  prepare: ContainerSession.open,
  planRestore,
  restore: restoreContainers,
  observe,
  ask,
  undo: (_spec, at, entry, context) => {
    const fenced = parseFencedGroups(entry);
    return fenced ? lift(fenced, at, context) : undoContainers(at, entry, context);
  },
  egress: { set: setContainerEgress },
  fence,
  examine,
};

/** How long the containers may be frozen to be looked at. */
const LEASE_MS = 10_000;

/** As they are at one instant from now: frozen and dumped for that, and let go at once. */
async function observe(spec: ContainerSpec, at: Host, context: Context): Promise<Held> {
  const session = await ContainerSession.open(spec, at, context);
  try {
    await session.look(LEASE_MS, context.signal);
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
  return {
    fingerprint: () => session.fingerprintHere(),
    answers: session.aroundAnswers,
    release: async () => {},
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

async function ask(spec: ContainerSpec, at: Host, { signal }: Context): Promise<Answers> {
  const { problems, look } = await inspect(spec, at, signal);
  if (look.containers.length === 0) throw problems[0] ?? new RangeError('nothing runs, and nothing said');
  return containerAnswers(at, look.containers);
}
