import { z } from 'zod';
import type { ComparisonResult, MemberVerdict } from '../coordinator/compare.ts';
import type { LostWork } from '../coordinator/lost-work.ts';
import type { MemberRestore, RestoreResult } from '../coordinator/restore.ts';
import { warmthsOf } from '../coordinator/warm.ts';
import type { LogProgress } from '../core/log-position.ts';
import type { Values } from '../core/resource.ts';
import type { SampleWarmth } from '../core/sample.ts';
import { roundMs } from '../core/units.ts';
import { WARMTH_OUTPUT, warmthOutputs } from './restore-warmth.ts';

const verdict = z.enum(['identical', 'equivalent', 'drifted', 'unverified']).meta({ typeName: 'Verdict' });

const kind = z.enum(['missing', 'extra', 'changed']);

const item = z
  .object({
    name: z.string().describe('What tells it from the others: the key of a row.'),
    kind: kind.describe('missing, extra or changed, as seen from the snapshot.'),
  })
  .meta({ typeName: 'DifferingItem' });

const difference = z
  .object({
    member: z.string().describe('The member.'),
    object: z.string().describe('What differs: a table, a key, a file, a setting.'),
    kind: kind.describe('missing, extra or changed, as seen from the snapshot.'),
    message: z.string().describe('How, for people.'),
    within: z
      .array(item)
      .describe('What of it differs, where that can be told apart: rows of a table by their keys, up to 20.'),
  })
  .meta({ typeName: 'Difference' });

export const MEMBER_OUTPUT = z
  .object({
    verdict: verdict.describe('The verdict of this member.'),
    equal: z.number().int().describe('How many objects were equal.'),
    differenceCount: z.number().int().describe('How many differed.'),
    restoreMs: z.number().describe('How long its restore took, in milliseconds.'),
  })
  .meta({ typeName: 'RestoredMember' });

const probe = z
  .object({
    member: z.string().describe('Which member was asked.'),
    outcome: z
      .enum(['equal', 'different', 'failed', 'unasked'])
      .describe(
        'equal to the answer at the cut, different, failed (no answer), or unasked (nothing to compare with, or nobody to ask).',
      )
      .meta({ typeName: 'RestoredProbeOutcome' }),
    message: z.string().describe('For people; of an answer no more than a number.'),
  })
  .meta({ typeName: 'RestoredProbe' });

const lost = z
  .object({
    read: z.boolean().describe('Whether it could be read; where it could not, nothing is known.'),
    sinceCutMs: z
      .number()
      .describe('How long after the cut it was read, in milliseconds of wall-clock time.'),
    differenceCount: z
      .number()
      .int()
      .describe('How many objects, and answers to probes, are not as at the cut any more.'),
    changes: z
      .record(z.string(), z.number())
      .describe(
        'By how much the number that a probe of the snapshot asks for has changed since the cut, by probe: how many jobs were done, how far a queue has grown.',
      ),
    logAtCut: z
      .string()
      .describe(
        "Where the log of its writes stood at the cut, as its system says it: Postgres's LSN, MariaDB's and MySQL's file and place in the binary log, Redis's replication offset. Empty where that is not known.",
      ),
    logNow: z.string().describe('Where it stood when it was read; empty where that is not known.'),
    logBytes: z.number().describe('What was written to it since, in bytes; 0 where that is not known.'),
    logTransactions: z
      .number()
      .int()
      .describe(
        'How many transactions that write have ended since, of the whole server; 0 where its log does not number them.',
      ),
    message: z.string().describe('For people.'),
  })
  .meta({ typeName: 'LostWork' });

export const RESTORE_OUTPUTS = z.object({
  reference: z.string().describe('Exactly the snapshot that was restored: name@sha256:….'),
  verdict: verdict.describe(
    'identical (bytes), equivalent (all that counts is equal), drifted (something that counts differs) or unverified: that of the worst member.',
  ),
  differences: z.array(difference).describe('What differs, up to 200 a member.'),
  restoreMs: z.number().describe('How long the restore took, in milliseconds.'),
  results: z.record(z.string(), MEMBER_OUTPUT).describe('The verdict by member.'),
  probeResults: z
    .record(z.string(), probe)
    .describe('What became of each probe of the snapshot, asked again before the release, by its name.'),
  warmth: WARMTH_OUTPUT,
  lostWork: z
    .record(z.string(), lost)
    .describe(
      'What each original that was named has done since the cut, and a switch to its twin would lose or do twice. Empty with fence: nothing.',
    ),
  lostWorkDifferences: z
    .array(difference)
    .describe('The objects of lostWork by name, up to 200 a member; extra is what was made since the cut.'),
  safetyReference: z.string().describe('The snapshot of what was overwritten; empty when nothing was.'),
});

export function restoreOutputs(
  reference: string,
  result: RestoreResult,
  lostWork: Readonly<Record<string, LostWork>>,
  measured: Readonly<Record<string, SampleWarmth>> = {},
): Values {
  return {
    reference,
    ...comparedOutputs(result),
    restoreMs: roundMs(result.restoreMs),
    probeResults: probesOf(result),
    ...warmthOutputs(warmthsOf(result.members), measured),
    ...lostWorkOutputs(lostWork),
    safetyReference: result.safetyReference ?? '',
  };
}

export function lostWorkOutputs(lostWork: Readonly<Record<string, LostWork>>): Values {
  const all = Object.entries(lostWork).map(
    ([name, { read, sinceCutMs, differenceCount, changes, log, message }]) => [
      name,
      { read, sinceCutMs: roundMs(sinceCutMs), differenceCount, changes, ...logOutputs(log), message },
    ],
  );
  return {
    lostWork: Object.fromEntries(all),
    lostWorkDifferences: differencesOf({ members: lostWork }),
  };
}

export function logOutputs(log: Partial<LogProgress> | undefined): Values {
  const { atCut = '', now = '', bytes = 0, transactions = 0 } = log ?? {};
  return { logAtCut: atCut, logNow: now, logBytes: bytes, logTransactions: transactions };
}

/** What became of the probes of members that were restored. */
export function probesOf({ members }: ComparisonResult): Values {
  const all = Object.values(members).flatMap((one: Partial<MemberRestore>) =>
    Object.entries(one.probes ?? {}),
  );
  return Object.fromEntries(
    all.map(([name, { member: asked, outcome, message }]) => [name, { member: asked, outcome, message }]),
  );
}

/** What was found when the restored was compared; a member that was not restored has no time. */
export function comparedOutputs(result: ComparisonResult): Values {
  const results = Object.entries(result.members).map(
    ([name, one]: [string, Partial<MemberRestore> & MemberVerdict]) => [
      name,
      {
        verdict: one.verdict,
        equal: one.equal,
        differenceCount: one.differenceCount,
        ...(one.restoreMs === undefined ? {} : { restoreMs: roundMs(one.restoreMs) }),
      },
    ],
  );
  return {
    verdict: result.verdict,
    differences: differencesOf(result),
    results: Object.fromEntries(results),
  };
}

export function differencesOf({
  members,
}: {
  readonly members: Readonly<Record<string, Pick<MemberVerdict, 'differences'>>>;
}): Values[] {
  return Object.values(members).flatMap(({ differences }) =>
    differences.map(({ member: name, object, kind, message, within }) => ({
      ...{ member: name, object, kind, message },
      within: (within?.named ?? []).map(({ name: item, kind }) => ({ name: item, kind })),
    })),
  );
}
