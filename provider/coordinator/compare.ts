import { compareStates, type ReadableState } from '../core/compare-states.ts';
import type { Context } from '../core/context.ts';
import type { Driver, Held } from '../core/driver.ts';
import { StasisError } from '../core/errors.ts';
import type { Comparison, FingerprintEntry } from '../core/fingerprint.ts';
import type { MemberCapture } from '../core/manifest.ts';
import type { Probe } from '../core/probe.ts';
import type { BlobReader, SealedSnapshot } from '../core/store.ts';
import { type MemberDifference, type Verdict, verdictOf, worstVerdict } from '../core/verdict.ts';
import { atMember, type Member } from './member.ts';
import {
  type Answering,
  type AskedProbe,
  askBoth,
  liveAnswers,
  type RestoredProbes,
  storedAnswers,
  withProbes,
} from './restored-probes.ts';

/** A sealed snapshot, opened. */
export type OpenSnapshot = SealedSnapshot & { blobs(member: string): BlobReader };

/** How much of one member is the same. */
export interface MemberVerdict {
  readonly verdict: Verdict;
  /** How many objects were equal. */
  readonly equal: number;
  readonly differences: readonly MemberDifference[];
  readonly differenceCount: number;
  /** What became of the probes of this member; absent where none was to be asked. */
  readonly probes?: RestoredProbes;
}

export interface ComparisonResult {
  readonly verdict: Verdict;
  readonly members: Readonly<Record<string, MemberVerdict>>;
}

/** The fingerprint stored with a capture, read back as a stream. */
export async function* storedFingerprint(
  capture: MemberCapture,
  blobs: BlobReader,
): AsyncGenerator<FingerprintEntry> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of blobs.get(capture.fingerprint.digest)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield JSON.parse(line) as FingerprintEntry;
  }
}

export function memberVerdict(
  name: string,
  comparison: Comparison,
  fidelity: MemberCapture['fidelity'],
): MemberVerdict {
  return {
    verdict: verdictOf(comparison, fidelity),
    equal: comparison.equal,
    differences: comparison.differences.map((difference) => ({ member: name, ...difference })),
    differenceCount: comparison.differenceCount,
  };
}

export function resultOf(members: Readonly<Record<string, MemberVerdict>>): ComparisonResult {
  return { verdict: worstVerdict(Object.values(members).map(({ verdict }) => verdict)), members };
}

type Reading = ReadableState & AsyncDisposable;

/** Something that has fingerprints by member, and answers: a snapshot or a running application. */
export interface Comparable {
  readonly members: Readonly<
    Record<string, { readonly driver: string; readonly fidelity: MemberCapture['fidelity'] }>
  >;
  /** What it was asked at its cut, or is to be asked, by name. */
  readonly probes: Readonly<Record<string, AskedProbe & { readonly member: string }>>;
  /** The answers, the state as it is read after they were given, and what has to be ended after both. */
  open(
    member: string,
  ): Promise<{ readonly read: () => Promise<Reading>; readonly answers: Answering } & AsyncDisposable>;
}

/** What was captured of a member. */
export function capturedState(snapshot: OpenSnapshot, name: string, driver: Driver | undefined): Reading {
  const from = snapshot.manifest.members[name]!;
  const blobs = snapshot.blobs(name);
  return {
    fingerprint: () => storedFingerprint(from, blobs),
    itemsOf: driver?.storedItems?.(from, blobs),
    [Symbol.asyncDispose]: async () => {},
  };
}

/** What is held, for as long as it is compared. */
export async function heldState(held: Held): Promise<Reading> {
  if (held.readable) return held.readable();
  return { fingerprint: () => held.fingerprint(), [Symbol.asyncDispose]: async () => {} };
}

/** @param drivers those that snapshots may be of */
export function comparableSnapshot(snapshot: OpenSnapshot, drivers: readonly Driver[]): Comparable {
  const { members, probes = {} } = snapshot.manifest;
  return {
    ...{ members, probes },
    async open(name) {
      return {
        read: async () =>
          capturedState(
            snapshot,
            name,
            drivers.find((driver) => driver.name === members[name]!.driver),
          ),
        answers: storedAnswers(snapshot),
        [Symbol.asyncDispose]: async () => {},
      };
    },
  };
}

/**
 * The running members, each read at an instant of its own: a difference may be a change in between.
 * @param probes questions that they are asked, besides those of a snapshot that they are compared with
 */
export function comparableMembers(
  members: readonly Member[],
  context: Context,
  probes: readonly Probe[] = [],
): Comparable {
  const byName = new Map(members.map((member) => [member.name, member]));
  return {
    members: Object.fromEntries(
      members.map(({ name, driver }) => [name, { driver: driver.name, fidelity: driver.traits.fidelity }]),
    ),
    probes: Object.fromEntries(probes.map((probe) => [probe.name, probe])),
    async open(name) {
      const member = byName.get(name)!;
      try {
        const held = await member.driver.observe(member.spec, member.host, context);
        const why = `What runs as a ${member.driver.name} answers no probes.`;
        return {
          read: () => heldState(held),
          answers: liveAnswers(held.answers, why, context),
          [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
        };
      } catch (error) {
        throw atMember(member, error);
      }
    },
  };
}

/**
 * Compares member by member. A member that only one side has is a difference of the whole member.
 * @throws StasisError `compare.nothing` when the two have no member in common.
 */
export async function compare(
  left: Comparable,
  right: Comparable,
  context: Context,
): Promise<ComparisonResult> {
  const names = [...new Set([...Object.keys(left.members), ...Object.keys(right.members)])].sort();
  if (!names.some((name) => left.members[name] && right.members[name]))
    throw new StasisError('compare.nothing', 'The two have no member in common.', { at: ['members'] });
  const results: Record<string, MemberVerdict> = {};
  for (const name of names) {
    context.progress({ step: 'compare', member: name });
    const [a, b] = [left.members[name], right.members[name]];
    if (a === undefined || b === undefined || a.driver !== b.driver)
      results[name] = onlyOneSide(name, a !== undefined);
    else results[name] = await compareMember(name, left, right, context);
  }
  return resultOf(results);
}

/** Questions first, as a restore does: one that changes something after all shows. */
async function compareMember(
  name: string,
  left: Comparable,
  right: Comparable,
  context: Context,
): Promise<MemberVerdict> {
  await using one = await left.open(name);
  await using other = await right.open(name);
  const asked = Object.entries({ ...right.probes, ...left.probes }).filter(
    ([, { member }]) => member === name,
  );
  const probes = await askBoth(name, Object.fromEntries(asked), one.answers, other.answers, context);
  await using captured = await one.read();
  await using running = await other.read();
  const comparison = await compareStates(captured, running, context);
  return { ...memberVerdict(name, withProbes(comparison, probes), left.members[name]!.fidelity), probes };
}

function onlyOneSide(member: string, inLeft: boolean): MemberVerdict {
  const kind = inLeft ? 'missing' : 'extra';
  const difference = { member, object: '', kind, message: `the whole member is ${kind}` } as const;
  return { verdict: 'drifted', equal: 0, differences: [difference], differenceCount: 1 };
}
