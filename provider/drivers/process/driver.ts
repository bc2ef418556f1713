import type { Context } from '../../core/context.ts';
import type { Driver, Examination, Held } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import type { Answers } from '../../core/probe.ts';
import { enterTree, questions, runningAnswers } from '../../runtime/answers.ts';
import { parseFencedGroups } from '../../runtime/fence.ts';
import { setProcessEgress } from './egress.ts';
import { fence, lift } from './fence.ts';
import { locate } from './locate.ts';
import { inspectMachine, planCapture } from './plan.ts';
import { planRestore } from './plan-restore.ts';
import { restoreProcess, undoProcess } from './restore.ts';
import { ProcessSession } from './session.ts';
import { endpointOf, type ProcessSpec, processSpec } from './spec.ts';

/**
 * A tree of processes with its memory, open files and connections, by CRIU. See README.md for what it captures, how,
 * and what it refuses.
 */
export const processDriver: Driver<ProcessSpec> = {
  name: 'process',
  summary:
    'A tree of processes with its memory, open files and connections, by pid file, systemd unit, group or pid.',
  spec: processSpec,
  traits: { layers: ['runtime', 'data'], fidelity: 'identical', copies: 'after-release', rank: 0 },
  questions,
  endpoint: endpointOf,
  plan: planCapture,
  prepare: ProcessSession.open,
  planRestore,
  restore: restoreProcess,
  observe,
  ask,
  undo: (_spec, at, entry, context) => {
    const fenced = parseFencedGroups(entry);
    return fenced ? lift(fenced, at, context) : undoProcess(at, entry, context);
  },
  egress: { set: setProcessEgress },
  fence,
  examine,
};

/** How long the tree may be frozen to be looked at. */
const LEASE_MS = 10_000;

/** As it is at one instant from now: frozen and dumped for that, and let go at once. */
async function observe(spec: ProcessSpec, at: Host, context: Context): Promise<Held> {
  const session = await ProcessSession.open(spec, at, context);
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

async function ask(spec: ProcessSpec, at: Host, { signal }: Context): Promise<Answers> {
  const { tree, problem } = await locate(spec, at, signal);
  if (tree === undefined) throw problem ?? new RangeError('nothing was found, and nothing said');
  return runningAnswers(at, `/proc/${tree.root}/ns/net`, enterTree(tree.root));
}

async function examine(at: Host, context: Context): Promise<Examination> {
  const { found, problems } = await inspectMachine(at, context.signal).catch((error: unknown) => {
    if (error instanceof StasisError) return { found: [], problems: [error] };
    throw error;
  });
  return { found, problems };
}
