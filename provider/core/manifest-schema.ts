import { z } from 'zod';
import { BLOB_DIGEST_PATTERN, isBlobDigest } from './blob-digest.ts';
import { StasisError } from './errors.ts';
import { refuseOtherFormat } from './format-version.ts';
import { HTTP_REQUEST } from './http-request.ts';
import { FORMAT_VERSION, type Manifest } from './manifest.ts';
import { QUESTION_KINDS } from './probe.ts';

const time = z.number().nonnegative();
const digest = z.string().refine(isBlobDigest, 'not a digest').meta({ pattern: BLOB_DIGEST_PATTERN });

const reading = z.object({ sentNs: time, acknowledgedNs: time, value: z.string() });
const condition = z.object({ claim: z.string(), expected: z.string(), observed: z.string() });

export const HOLD_SCHEMA = z.object({
  tie: z.literal('hold'),
  how: z.enum(['frozen', 'locked', 'drained', 'still']),
  heldFromNs: time,
  heldToNs: time,
  readings: z.array(reading),
  captured: z.string(),
  conditions: z.array(condition),
});

export const MARK_SCHEMA = z.object({
  tie: z.literal('mark'),
  sentNs: time,
  acknowledgedNs: time,
  act: z.string(),
  epoch: z.string().optional(),
  conditions: z.array(condition),
});

export const SMEAR_SCHEMA = z.object({
  tie: z.literal('smear'),
  fromNs: time,
  toNs: time,
  reason: z.string(),
});

const certificate = z.object({
  formatVersion: z.literal(1),
  startedAt: z.string(),
  members: z.record(
    z.string(),
    z.array(z.discriminatedUnion('tie', [HOLD_SCHEMA, MARK_SCHEMA, SMEAR_SCHEMA])),
  ),
  pauses: z.array(z.object({ member: z.string(), fromNs: time, toNs: time })),
});

const memberCapture = z.object({
  driver: z.string(),
  endpoint: z.string(),
  fidelity: z.enum(['identical', 'equivalent']),
  contentVersion: z.number().int(),
  content: z.unknown(),
  sizeBytes: z.number().nonnegative(),
  summary: z.string(),
  coverage: z.object({
    layers: z.array(z.enum(['compute', 'runtime', 'data'])),
    outside: z.array(z.object({ code: z.string(), message: z.string() })),
  }),
  epoch: z.string().optional(),
  stopped: z.string().optional(),
  position: z.object({ log: z.string(), at: z.string(), transactions: z.string().optional() }).optional(),
  system: z.record(z.string(), z.string()),
  fingerprint: z.object({
    digest,
    sizeBytes: z.number().nonnegative(),
    entries: z.number().int().nonnegative(),
  }),
});

export const QUESTION_SCHEMA = z.object({
  kind: z.enum(QUESTION_KINDS),
  words: z.array(z.string()).min(1),
  http: HTTP_REQUEST.optional(),
  database: z.string().optional(),
});

const probe = z.object({
  member: z.string(),
  question: QUESTION_SCHEMA,
  comparison: z.object({
    rows: z.enum(['ordered', 'unordered']),
    within: z.number().nonnegative().optional(),
    jsonPath: z.string().optional(),
  }),
  expect: z.string().optional(),
  timeoutMs: z.number().int().positive(),
  tie: z.enum(['mark', 'hold', 'around', 'none']),
  askedNs: time.optional(),
  answeredNs: time.optional(),
  answer: z
    .object({ digest, sizeBytes: z.number().nonnegative(), rows: z.number().int().nonnegative() })
    .optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
  asExpected: z.boolean().optional(),
});

export const PACE_SCHEMA = z.object({
  requests: z.number().int().positive(),
  p50Ms: time,
  p99Ms: time,
  lineMs: time,
  hitRate: z.number().min(0).max(1).optional(),
});

const sample = z.object({
  member: z.string(),
  kind: z.enum(QUESTION_KINDS),
  durationMs: z.number().positive(),
  requests: z
    .object({ digest, sizeBytes: z.number().nonnegative(), count: z.number().int().positive() })
    .optional(),
  before: PACE_SCHEMA.optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
});

/** The config of a snapshot's OCI manifest; `schema/manifest.schema.json` is made from it. */
export const MANIFEST_SCHEMA = z.object({
  formatVersion: z.number().int(),
  name: z.string(),
  generation: z.number().int().positive(),
  cutAt: z.string(),
  sharp: z.boolean(),
  blurMs: z.number().nonnegative(),
  pauseMs: z.number().nonnegative(),
  certificate,
  members: z.record(z.string(), memberCapture),
  probes: z.record(z.string(), probe).optional(),
  samples: z.record(z.string(), sample).optional(),
  sizeBytes: z.number().nonnegative(),
  storedBytes: z.number().nonnegative(),
  newBytes: z.number().nonnegative(),
  createdBy: z.string(),
});

/**
 * A manifest from bytes that anybody may have written.
 * @throws StasisError `store.newer-format`, `store.older-format`, `store.damaged`
 */
export function parseManifest(text: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new StasisError('store.damaged', 'A snapshot manifest is no JSON.', { cause });
  }
  const version = (value as { formatVersion?: unknown } | null)?.formatVersion;
  if (typeof version === 'number') refuseOtherFormat('The snapshot', version, FORMAT_VERSION);
  const parsed = MANIFEST_SCHEMA.safeParse(value);
  if (parsed.success) return parsed.data as Manifest;
  const issue = parsed.error.issues[0];
  throw new StasisError(
    'store.damaged',
    `A snapshot manifest is malformed at ${issue?.path.join('.') ?? 'its root'}.`,
    {
      cause: parsed.error,
    },
  );
}
