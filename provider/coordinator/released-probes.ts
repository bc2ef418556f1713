import type { Context } from '../core/context.ts';
import type { Held } from '../core/driver.ts';
import { toStasisError } from '../core/errors.ts';
import { memberVerdict } from './compare.ts';
import type { Member } from './member.ts';
import type { Loaded, MemberRestore } from './restore.ts';
import type { RestoreRequest } from './restore-plan.ts';
import {
  answeredProbesOf,
  askBoth,
  liveAnswers,
  patient,
  probesOf,
  type RestoredProbes,
  storedAnswers,
  withProbes,
} from './restored-probes.ts';

/** What had no answer before the release, and may have one when all is released. */
export interface Unanswered {
  readonly names: readonly string[];
  /** What is known of the member without any of its probes. */
  readonly compared: MemberRestore;
}

const BLOCKED = 'No answer while it was cut off from other members, and egress: "blocked" keeps it so:';
const LATER = 'No answer while it was cut off from other members, which a release ends:';
const INTERRUPTED = 'Not asked again after the release, as that was interrupted.';

/**
 * A program that is rehearsed reaches no member by URL, as none of them is released then, and none on another host. Where there are
 * such members, that it has no answer says nothing of it: it is neither the same nor drifted until it was asked again.
 */
export function leaveForLater(
  { egress }: Pick<RestoreRequest, 'egress'>,
  probes: RestoredProbes,
): { readonly probes: RestoredProbes; readonly names: readonly string[] } {
  const why = egress === 'blocked' ? BLOCKED : LATER;
  const all = Object.entries(probes);
  const names = all.flatMap(([name, { outcome }]) => (outcome === 'failed' ? [name] : []));
  return {
    names: egress === 'blocked' ? [] : names,
    probes: Object.fromEntries(
      all.map(([name, probe]) => [
        name,
        probe.outcome === 'failed'
          ? { ...probe, outcome: 'unasked' as const, message: `${why} ${probe.message}` }
          : probe,
      ]),
    ),
  };
}

/** Of what is loaded so that nobody can be asked until its release, and is not rehearsed: all probes. */
export function unansweredBy(
  { snapshot }: Pick<RestoreRequest, 'snapshot'>,
  { name }: Member,
  held: Held,
  compared: MemberRestore,
): Unanswered | undefined {
  if (held.answers !== undefined || held.rehearse !== undefined) return undefined;
  const names = answeredProbesOf(snapshot, name).map(([probe]) => probe);
  return names.length > 0 ? { names, compared } : undefined;
}

/**
 * Asks those that had no answer before the release. All is released by then: what they say makes a verdict, and rolls
 * nothing back. Never throws: whoever interrupts this has had a restore.
 */
export async function askReleased(
  { snapshot }: Pick<RestoreRequest, 'snapshot'>,
  loaded: readonly Loaded[],
  context: Context,
): Promise<readonly Loaded[]> {
  const asked = loaded.filter(({ unanswered }) => unanswered !== undefined);
  const answered = await Promise.all(
    asked.map(async (one) => {
      try {
        return withAnswers(snapshot, one, await askOne(snapshot, one, context), context);
      } catch (thrown) {
        const why = `It could not be asked after the release: ${toStasisError(thrown, 'probe.failed').message}`;
        return withMessage(one, context.signal.aborted ? INTERRUPTED : why);
      }
    }),
  );
  return loaded.map((one) => answered.find(({ member }) => member === one.member) ?? one);
}

async function askOne(
  snapshot: RestoreRequest['snapshot'],
  { member: { name, driver, spec, host }, unanswered }: Loaded,
  context: Context,
): Promise<RestoredProbes> {
  const probes = Object.fromEntries(
    probesOf(snapshot, name).filter(([probe]) => unanswered!.names.includes(probe)),
  );
  const answers = await driver.ask?.(spec, host, context, snapshot.manifest.members[name]);
  const running = liveAnswers(answers && patient(answers), 'Nobody can be asked.', context);
  return askBoth(name, probes, storedAnswers(snapshot), running, context);
}

function withAnswers(
  snapshot: RestoreRequest['snapshot'],
  { member, held, verdict, unanswered }: Loaded,
  asked: RestoredProbes,
  { progress }: Context,
): Loaded {
  const probes = { ...verdict.probes, ...asked };
  const { fidelity } = snapshot.manifest.members[member.name]!;
  const compared = memberVerdict(member.name, withProbes(unanswered!.compared, probes), fidelity);
  for (const [name, { outcome, message }] of Object.entries(asked))
    if (outcome === 'different' || outcome === 'failed')
      progress({
        ...{ step: 'probe', severity: 'warning', member: member.name },
        message: `Released, and "${name}" is not answered as at the cut: ${message}`,
      });
  return { member, held, verdict: { ...verdict, ...compared, probes } };
}

function withMessage({ member, held, verdict, unanswered }: Loaded, message: string): Loaded {
  const probes = Object.fromEntries(
    Object.entries(verdict.probes).map(([name, probe]) => [
      name,
      unanswered!.names.includes(name) ? { ...probe, message } : probe,
    ]),
  );
  return { member, held, verdict: { ...verdict, probes } };
}
