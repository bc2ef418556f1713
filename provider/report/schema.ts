import { z } from 'zod';
import { HOLD_SCHEMA, MARK_SCHEMA, SMEAR_SCHEMA } from '../core/manifest-schema.ts';
import { QUESTION_KINDS } from '../core/probe.ts';

/**
 * The facts of a report, and the one source of all its forms. `schema/report.schema.json` is made from this. Times that
 * end in `Ns` are nanoseconds on the coordinator's one monotonic clock since it was started at `startedAt`.
 */

const fault = z
  .string()
  .nullable()
  .describe('Why it does not count, by the judgement made for this report; null where its evidence stands.');

const tie = z.discriminatedUnion('tie', [
  HOLD_SCHEMA.extend({ fault }),
  MARK_SCHEMA.extend({
    fault,
    covered: z
      .boolean()
      .describe(
        'Whether it carries the state that a hold of the same member shows: it then adds no condition.',
      ),
  }),
  SMEAR_SCHEMA.extend({ fault }),
]);

const span = z.object({ fromNs: z.number(), toNs: z.number() });

const judgement = z
  .object({
    sharp: z.boolean().describe('Whether one instant fits all members.'),
    blurMs: z
      .number()
      .nullable()
      .describe('The least interval within which all of it lies; null where a member is not tied to time.'),
    cutNs: z.number().nullable().describe('The instant that it shows.'),
    blur: span.nullable().describe('The interval within which all of it lies, where it is not sharp.'),
    sharedHold: span.nullable().describe('When all that was held was held at once.'),
    pauseMs: z.number().describe('For how long the longest-paused member was paused.'),
    findings: z
      .array(z.object({ member: z.string(), message: z.string() }))
      .describe('Why it is not sharp, and which ties did not count. Without a member: of all.'),
    contradictions: z
      .array(z.object({ members: z.array(z.string()), message: z.string() }))
      .describe('Where the manifest claims something else than its certificate proves.'),
  })
  .describe('Made from the certificate for this report, without trust in what the manifest says of itself.');

const captured = z.object({
  driver: z.string(),
  endpoint: z.string().describe('Where it was, without user, password and options.'),
  system: z.record(z.string(), z.string()).describe('What system it came from.'),
  summary: z.string(),
  sizeBytes: z.number(),
  fidelity: z.enum(['identical', 'equivalent']).describe('What a restore of it can be, at best.'),
  layers: z.array(z.enum(['compute', 'runtime', 'data'])).describe('What of it is in the snapshot.'),
  outside: z
    .array(z.object({ code: z.string(), message: z.string() }))
    .describe('What is known to be outside the snapshot.'),
  objects: z.number().int().describe('How many objects were fingerprinted.'),
});

const member = z.object({
  name: z.string(),
  captured: captured
    .nullable()
    .describe('Null where the certificate ties a member that the snapshot does not have.'),
  ties: z.array(tie).describe('How its captured state is tied to time, with the evidence.'),
  pauses: z
    .array(span)
    .describe('When it was kept waiting: from the first request to the answer of the release.'),
});

const verdict = z.enum(['identical', 'equivalent', 'drifted', 'unverified']);

const differs = z.enum(['missing', 'extra', 'changed']).describe('As seen from the snapshot.');

const ms = z.number().nullable();

const sampleWarmth = z.object({
  name: z.string(),
  timeToWarmMs: ms.describe('From the release until it was as before the cut; null where it was not.'),
  requests: z.number().int().describe('How many were answered.'),
  p99BeforeMs: ms.describe('The 99th percentile before the cut; null where it was not measured, as below.'),
  p99FirstMs: ms.describe('Of the first window after the release.'),
  p99LastMs: ms.describe('Of the window that was as before, or else of the last.'),
  lineBeforeMs: ms.describe('How much of it was the line before the cut.'),
  lineMs: ms.describe('How much of it was the line after the release.'),
  hitRateBefore: ms.describe('What share of what was needed lay in caches before the cut.'),
  hitRateFirst: ms.describe('In the first window after the release.'),
  hitRateLast: ms.describe('In the window that was as before, or else in the last.'),
  message: z.string(),
});

const outcome = z
  .object({
    kind: z.enum(['restore', 'comparison']),
    with: z
      .string()
      .nullable()
      .describe('Of a comparison: the other snapshot, or "running"; null of a restore.'),
    verdict,
    restoreMs: z.number().nullable(),
    safetyReference: z.string().nullable().describe('The snapshot of what was overwritten.'),
    members: z.array(
      z.object({
        name: z.string(),
        verdict,
        equal: z.number().int().describe('How many objects were equal.'),
        differenceCount: z.number().int().describe('How many differed.'),
        restoreMs: z.number().nullable(),
      }),
    ),
    differences: z
      .array(
        z.object({
          member: z.string(),
          object: z.string(),
          kind: differs,
          message: z.string(),
          within: z
            .array(z.object({ name: z.string(), kind: differs }))
            .describe(
              'What of it differs, where that can be told apart: rows by their keys, some of each kind.',
            ),
        }),
      )
      .describe('By name as far as they were kept; `differenceCount` counts all.'),
    warmth: z
      .array(
        z.object({
          member: z.string(),
          known: z.boolean().describe('Whether the snapshot knows what was hot.'),
          hotBytes: z.number().describe('What lay in its caches at the cut; 0 where it is not known.'),
          warmedBytes: z.number().describe('What was read back into them before the release.'),
          warmMs: z.number().describe('How long that took.'),
          message: z.string(),
          samples: z
            .array(sampleWarmth)
            .describe(
              "How the user's own requests were answered after the release, where that was measured.",
            ),
        }),
      )
      .describe('Of each member whose caches a restore was asked to warm, or to measure.'),
    lostWork: z
      .array(
        z.object({
          member: z.string(),
          read: z.boolean().describe('Whether the original could be read; where not, nothing is known.'),
          sinceCutMs: z.number().describe('How long after the cut, by the wall clock.'),
          differenceCount: z.number().int().describe('How many objects are not as at the cut any more.'),
          changes: z
            .array(z.object({ probe: z.string(), change: z.number() }))
            .describe('By how much what a probe counts has changed since the cut.'),
          logAtCut: z
            .string()
            .describe('Where the log of its writes stood at the cut; empty where not known.'),
          logNow: z.string().describe('Where it stood when it was read; empty where not known.'),
          logBytes: z.number().describe('What was written to it since; 0 where not known.'),
          logTransactions: z.number().int().describe('Of how many transactions; 0 where not numbered.'),
          message: z.string(),
        }),
      )
      .describe(
        'What the originals that a restore was told of have done since the cut: what a switch would lose or do twice.',
      ),
  })
  .describe('Whether it is the same: what a restore of this snapshot or a comparison with it found.');

const generation = z.object({
  generation: z.number().int(),
  digest: z.string(),
  cutAt: z.string(),
  pins: z.array(z.string()).describe('By what it is kept from being removed.'),
  content: z
    .object({
      sharp: z.boolean(),
      blurMs: z.number().nullable(),
      pauseMs: z.number(),
      sizeBytes: z.number(),
      storedBytes: z.number(),
      newBytes: z.number(),
    })
    .nullable()
    .describe('Judged from its own certificate; null where its manifest cannot be read.'),
});

const probe = z.object({
  name: z.string(),
  member: z.string(),
  kind: z.enum(QUESTION_KINDS),
  outcome: z.enum(['answered', 'unmet', 'unsteady', 'failed']).describe('At the cut.'),
  message: z.string(),
  restored: z
    .object({ outcome: z.enum(['equal', 'different', 'failed', 'unasked']), message: z.string() })
    .nullable()
    .describe('Asked again of what was restored; null without a restore.'),
});

const sample = z.object({
  name: z.string(),
  member: z.string(),
  kind: z.enum(QUESTION_KINDS),
  before: z
    .object({
      requests: z.number().int().describe('How many were answered.'),
      p50Ms: z.number(),
      p99Ms: z.number(),
      lineMs: z.number().describe('How much of these was the line.'),
      hitRate: z
        .number()
        .nullable()
        .describe('What share of what was needed lay in caches; null where nobody can tell.'),
    })
    .nullable()
    .describe('How quickly its requests were answered before the cut; null where they were not.'),
  message: z.string(),
});

export const REPORT_SCHEMA = z.object({
  formatVersion: z.literal(1),
  reference: z.string().describe('Exactly the snapshot that is reported on: name@sha256:….'),
  name: z.string(),
  digest: z.string(),
  generation: z.number().int(),
  cutAt: z.string().describe('Wall-clock time of the cut, ISO 8601; for people, no part of the proof.'),
  startedAt: z.string().describe("Wall-clock time at the clock's zero, ISO 8601; for people."),
  createdBy: z.string(),
  store: z.string().describe('Where the snapshot lives.'),
  sizeBytes: z.number().describe('Bytes of the captured state.'),
  storedBytes: z.number().describe('Bytes in the store that it needs.'),
  newBytes: z.number().describe('Bytes that it added to the store.'),
  judgement,
  members: z.array(member),
  probes: z.array(probe).describe('What the user asked at the cut; never what the answers were.'),
  samples: z.array(sample).describe("How quickly the user's own requests were answered before the cut."),
  generations: z.array(generation).describe('The sealed snapshots of this name, newest first.'),
  outcome: outcome.nullable(),
});

export type Report = z.infer<typeof REPORT_SCHEMA>;
export type ReportMember = Report['members'][number];
export type ReportTie = ReportMember['ties'][number];
export type ReportOutcome = NonNullable<Report['outcome']>;
export type ReportDifference = ReportOutcome['differences'][number];
export type ReportWarmth = ReportOutcome['warmth'][number];
export type ReportLostWork = ReportOutcome['lostWork'][number];
export type ReportProbe = Report['probes'][number];
export type ReportSample = Report['samples'][number];
export type RestoredProbes = Readonly<Record<string, NonNullable<ReportProbe['restored']>>>;
export type ReportGeneration = Report['generations'][number];
