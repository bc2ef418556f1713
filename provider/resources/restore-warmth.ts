import { z } from 'zod';
import type { MemberWarmth } from '../coordinator/warm.ts';
import { parseDuration } from '../core/duration.ts';
import { StasisError } from '../core/errors.ts';
import type { Manifest } from '../core/manifest.ts';
import type { Values } from '../core/resource.ts';
import { type SampleWarmth, sampleWarmthSentence } from '../core/sample.ts';
import { roundMs } from '../core/units.ts';
import { warmthSentence } from '../core/warmth.ts';
import { HIT_RATE } from './samples.ts';

export const WARM_INPUT = z
  .boolean()
  .optional()
  .describe(
    "Once all is loaded and compared, read back into each member's caches what lay in them at the cut, as far as the snapshot knows and memory itself does not come back: the buffers of Postgres, MariaDB and MySQL, and the page cache of files. false unless said.",
  );

/** It is somebody's apply that waits. */
const MOST_WITHIN_MS = 3_600_000;

export const WARM_WITHIN_INPUT = z
  .string()
  .refine((text) => (parseDuration(text) ?? MOST_WITHIN_MS + 1) <= MOST_WITHIN_MS, {
    message: 'It is measured for an hour at most',
    params: { code: 'warm-within.malformed', hint: 'For example 30s, 5m or 1h.' },
  })
  .optional();

/** For how long it is measured; undefined where it is not. */
export function warmWithinMsOf({ warmWithin }: Values): number | undefined {
  return typeof warmWithin === 'string' ? parseDuration(warmWithin) : undefined;
}

/** What a plan says of a snapshot that has nothing to be asked. */
export function sampleWarnings({ samples = {} }: Manifest, { warmWithin }: Values): StasisError[] {
  if (typeof warmWithin !== 'string') return [];
  if (Object.values(samples).some(({ before }) => before !== undefined)) return [];
  return [
    new StasisError(
      'warm-within.no-samples',
      'The snapshot knows of no requests how quickly they were answered, so that nothing can be measured.',
      {
        hint: 'Give the Snapshot samples: the next generation has them.',
        at: ['warmWithin'],
        severity: 'warning',
      },
    ),
  ];
}

const ms = z.number().optional();

const sample = z
  .object({
    timeToWarmMs: ms.describe(
      'From the release until the requests began to be answered as before the cut, in milliseconds; absent where that was not reached.',
    ),
    requests: z.number().int().describe('How many were answered.'),
    p99BeforeMs: ms.describe('The 99th percentile before the cut, in milliseconds.'),
    p99FirstMs: ms.describe(
      'That of the first window: one round of all requests, a hundred at least where they are quick.',
    ),
    p99LastMs: ms.describe('That of the window that was as before, or else of the last.'),
    lineBeforeMs: ms.describe('How much of it was the line before the cut.'),
    lineMs: ms.describe('How much of it is the line to what was restored.'),
    hitRateBefore: HIT_RATE.describe(
      'What share of what was needed lay in caches before the cut, 0 to 1; absent where nobody can tell.',
    ),
    hitRateFirst: HIT_RATE.describe('That of the first window.'),
    hitRateLast: HIT_RATE.describe('That of the window that was as before, or else of the last.'),
    message: z.string().describe('For people.'),
  })
  .meta({ typeName: 'SampleWarmth' });

const warmth = z
  .object({
    known: z.boolean().describe('Whether the snapshot knows what was hot.'),
    hotBytes: z.number().describe('What lay in its caches at the cut, in bytes; 0 where it is not known.'),
    warmedBytes: z.number().describe('What was read back before the release, in bytes.'),
    warmMs: z.number().describe('How long that took, in milliseconds.'),
    message: z.string().describe('For people, also why it is less than all that was hot.'),
    samples: z
      .record(z.string(), sample)
      .describe('With warmWithin, how each sample of the member was answered, by its name.'),
  })
  .meta({ typeName: 'Warmth' });

export const WARMTH_OUTPUT = z
  .record(z.string(), warmth)
  .describe(
    'With warm, what was brought back into the caches of each member that has some; with warmWithin, how long each member with a sample took until it was as quick as before.',
  );

const NOT_WARMED = { warmedBytes: 0, reason: 'Nothing was read back before the release.' };

/** @param measured by sample */
export function warmthOutputs(
  warmths: Readonly<Record<string, MemberWarmth>>,
  measured: Readonly<Record<string, SampleWarmth>> = {},
): Values {
  const asked = Object.values(measured).map(({ member }) => member);
  const all = [...new Set([...Object.keys(warmths), ...asked])].map((name) => {
    const { warmMs, ...one } = warmths[name] ?? { ...NOT_WARMED, warmMs: 0 };
    return [
      name,
      {
        known: one.hotBytes !== undefined,
        hotBytes: one.hotBytes ?? 0,
        warmedBytes: one.warmedBytes,
        warmMs: roundMs(warmMs),
        message: warmthSentence(one),
        samples: Object.fromEntries(
          Object.entries(measured).flatMap(([sampleName, each]) =>
            each.member === name ? [[sampleName, sampleWarmthOutputs(each)]] : [],
          ),
        ),
      },
    ];
  });
  return { warmth: Object.fromEntries(all) };
}

function sampleWarmthOutputs(measured: SampleWarmth): Values {
  const { before, first, last, requests, timeToWarmMs } = measured;
  const given = Object.entries({
    timeToWarmMs,
    ...{ p99BeforeMs: before?.p99Ms, p99FirstMs: first?.p99Ms, p99LastMs: last?.p99Ms },
    ...{ lineBeforeMs: before?.lineMs, lineMs: last?.lineMs },
  }).flatMap(([key, value]) => (value === undefined ? [] : [[key, roundMs(value)]]));
  const hitRates = Object.entries({
    hitRateBefore: before?.hitRate,
    ...{ hitRateFirst: first?.hitRate, hitRateLast: last?.hitRate },
  }).filter(([, share]) => share !== undefined);
  return {
    ...Object.fromEntries([...given, ...hitRates]),
    requests,
    message: sampleWarmthSentence(measured),
  };
}
