import { z } from 'zod';
import { type Digest, isDigest } from './digest.ts';
import { StasisError } from './errors.ts';
import { PACE_SCHEMA } from './manifest-schema.ts';
import { formatReference } from './reference.ts';

/** What lies beside a snapshot that was rehearsed. */
export const DRILL_ARTIFACT = 'application/vnd.stasis.drill.v1';
/** An in-toto statement, version 1 (https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md). */
export const STATEMENT_PAYLOAD = 'application/vnd.in-toto+json';
const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
export const DRILL_PREDICATE = 'https://github.com/stasis-iac/stasis/drill/v1';

const verdict = z.enum(['identical', 'equivalent', 'drifted', 'unverified']);
const ms = z.number().nonnegative();

const member = z.object({
  driver: z.string(),
  verdict,
  equal: z.number().int().nonnegative().describe('How many objects were equal.'),
  differenceCount: z.number().int().nonnegative().describe('How many differed.'),
  restoreMs: ms.describe('From the start of its restore until it was loaded.'),
});

const warmth = z.object({
  hotBytes: z
    .number()
    .nonnegative()
    .optional()
    .describe('What lay in its caches at the cut; absent if unknown.'),
  warmedBytes: z.number().nonnegative().describe('What was read back into them.'),
  warmMs: ms,
});

const sample = z.object({
  member: z.string(),
  before: PACE_SCHEMA.optional().describe(
    'How quickly it was answered before the cut; absent where it was not.',
  ),
  first: PACE_SCHEMA.optional().describe('In the first window of requests once all was loaded and warmed.'),
  last: PACE_SCHEMA.optional().describe('In the window that was as before, or else in the last.'),
  requests: z.number().int().nonnegative().describe('How many were answered.'),
  timeToWarmMs: ms.optional().describe('Until they were answered as before; absent where they were not.'),
});

const lostWork = z.object({
  read: z.boolean().describe('Whether the original could be read.'),
  sinceCutMs: ms.describe('How long after the cut, by the wall clock.'),
  differenceCount: z.number().int().nonnegative().describe('How many objects were not as at the cut.'),
  changes: z.record(z.string(), z.number()).describe('By how much what a probe counts had changed.'),
  log: z
    .object({
      atCut: z.string(),
      now: z.string(),
      bytes: z.number().nonnegative().optional(),
      transactions: z.number().int().nonnegative().optional(),
    })
    .optional()
    .describe('How far the log of its writes had come since the cut, where that was known.'),
});

/** What a drill certifies. Times of day are those of the machine that ran it. */
export const DRILL_SCHEMA = z.object({
  reference: z.string().describe('Exactly the snapshot that was rehearsed.'),
  generation: z.number().int().positive(),
  cutAt: z.string(),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  verdict,
  verify: z.enum(['identical', 'equivalent', 'report']).describe('The least verdict that was asked for.'),
  passed: z.boolean().describe('Whether the verdict is at least that.'),
  restoreMs: ms.describe(
    'From the start until all was loaded and compared: what a real restore takes, without the release.',
  ),
  teardownMs: ms,
  differenceCount: z.number().int().nonnegative(),
  members: z.record(z.string(), member),
  probes: z.record(z.string(), z.enum(['equal', 'different', 'failed', 'unasked'])),
  warmth: z
    .record(z.string(), warmth)
    .default({})
    .describe('How the caches of its members were warmed, where that was asked for.'),
  samples: z
    .record(z.string(), sample)
    .default({})
    .describe('How quickly requests were answered by what was restored, where that was asked for.'),
  lostWork: z
    .record(z.string(), lostWork)
    .default({})
    .describe('What the originals that were named had done since the cut: what a switch would have lost.'),
  tool: z.string().describe('What ran it: stasis and its version.'),
});

export type DrillFacts = z.infer<typeof DRILL_SCHEMA>;

const STATEMENT = z.object({
  _type: z.literal(STATEMENT_TYPE),
  subject: z.array(z.object({ name: z.string(), digest: z.object({ sha256: z.string() }) })).length(1),
  predicateType: z.literal(DRILL_PREDICATE),
  predicate: DRILL_SCHEMA,
});

/** The payload that is signed. */
export function encodeStatement(name: string, digest: Digest, facts: DrillFacts): Buffer {
  return Buffer.from(
    JSON.stringify({
      _type: STATEMENT_TYPE,
      subject: [{ name, digest: { sha256: digest.slice('sha256:'.length) } }],
      predicateType: DRILL_PREDICATE,
      predicate: facts,
    } satisfies z.infer<typeof STATEMENT>),
  );
}

/**
 * What a payload says of the snapshot `digest`.
 * @throws StasisError `drill.malformed`, `drill.other-subject`
 */
export function parseStatement(payload: Uint8Array, digest: Digest): DrillFacts {
  let statement: z.infer<typeof STATEMENT>;
  try {
    statement = STATEMENT.parse(JSON.parse(Buffer.from(payload).toString('utf8')));
  } catch (cause) {
    throw new StasisError('drill.malformed', 'The certificate of the drill is malformed.', { cause });
  }
  const [subject] = statement.subject;
  const named = `sha256:${subject!.digest.sha256}`;
  if (named === digest) return statement.predicate;
  const what = isDigest(named) ? formatReference({ name: subject!.name, digest: named }) : named;
  throw new StasisError('drill.other-subject', `The certificate is of another snapshot: ${what}.`);
}
