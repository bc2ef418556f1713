import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { Context } from '../core/context.ts';
import { StasisError } from '../core/errors.ts';
import type { Values } from '../core/resource.ts';
import type { GenerationEntry, Store } from '../core/store.ts';
import { type ListedGeneration, makeReport } from '../report/model.ts';
import type { Report, ReportOutcome, RestoredProbes } from '../report/schema.ts';
import { RESTORE_OUTPUTS } from './restore-outputs.ts';

/** The facts of a report on one snapshot in a store. No member is contacted; no content is read. */
export async function gatherReport(
  store: Store,
  entry: Pick<GenerationEntry, 'name' | 'digest'>,
  context: Context,
  outcome?: ReportOutcome,
  restoredProbes?: RestoredProbes,
): Promise<Report> {
  const snapshot = await store.open(entry.name, entry.digest, context);
  const record = await store.name(entry.name);
  const generations = await Promise.all(
    (record?.generations ?? []).map((each) => listed(store, each, context)),
  );
  return makeReport({
    snapshot,
    store: store.location,
    generations,
    pins: record?.pins ?? [],
    outcome,
    restoredProbes,
  });
}

/** A generation that cannot be read is reported as such; `verify` says what is wrong with it. */
async function listed(store: Store, entry: GenerationEntry, context: Context): Promise<ListedGeneration> {
  try {
    return { entry, manifest: (await store.open(entry.name, entry.digest, context)).manifest };
  } catch (error) {
    context.logger.log('warn', 'a generation cannot be read', {
      generation: entry.generation,
      reason: error instanceof Error ? error.message : String(error),
    });
    return { entry };
  }
}

const compared = RESTORE_OUTPUTS.shape.results.valueType.partial({ restoreMs: true });
const warmed = RESTORE_OUTPUTS.shape.warmth.valueType.partial({ samples: true });
const OUTCOME = RESTORE_OUTPUTS.partial({
  reference: true,
  restoreMs: true,
  probeResults: true,
  lostWork: true,
  lostWorkDifferences: true,
  safetyReference: true,
}).extend({
  results: z.record(z.string(), compared),
  warmth: z.record(z.string(), warmed).optional(),
  left: z.string().optional(),
  right: z.string().optional(),
});

/** What a sample is told by where nothing of it was measured. */
const NO_SAMPLE = {
  ...{ timeToWarmMs: null, p99BeforeMs: null, p99FirstMs: null, p99LastMs: null },
  ...{ lineBeforeMs: null, lineMs: null, hitRateBefore: null, hitRateFirst: null, hitRateLast: null },
};

/**
 * What a restore or a comparison found, from its outputs, which a user may hand over as a file.
 * @param reference the snapshot that is reported on, `name@sha256:…`
 * @throws StasisError `report.no-outcome`, `report.other-snapshot`
 */
export function outcomeOf(outputs: Values, reference: string): ReportOutcome {
  const parsed = OUTCOME.safeParse(outputs);
  const of = parsed.data?.reference ?? parsed.data?.left;
  if (!parsed.success || of === undefined)
    throw new StasisError('report.no-outcome', 'This is not what a restore or a comparison gives.', {
      hint: 'Save what "stasis restore --json" or "stasis compare --json" prints.',
    });
  const { verdict, results, differences, restoreMs, safetyReference, left, right } = parsed.data;
  const { warmth = {}, lostWork = {} } = parsed.data;
  if (of !== reference && right !== reference)
    throw new StasisError('report.other-snapshot', `It is an outcome of ${of}, not of ${reference}.`, {
      hint: `Report on ${of}, or hand over what was found of this snapshot.`,
    });
  return {
    kind: left === undefined ? 'restore' : 'comparison',
    with: left === undefined ? null : left === reference ? (right ?? null) : left,
    verdict,
    restoreMs: restoreMs ?? null,
    safetyReference: safetyReference || null,
    members: Object.entries(results).map(([name, { restoreMs: tookMs, ...one }]) => ({
      name,
      ...one,
      restoreMs: tookMs ?? null,
    })),
    differences,
    warmth: Object.entries(warmth).map(([member, { samples = {}, ...one }]) => ({
      ...{ member, ...one },
      samples: Object.entries(samples).map(([name, told]) => ({ name, ...NO_SAMPLE, ...told })),
    })),
    lostWork: Object.entries(lostWork).map(([member, { changes, ...one }]) => ({
      ...{ member, ...one },
      changes: Object.entries(changes).map(([probe, change]) => ({ probe, change })),
    })),
  };
}

/** What became of the probes, from the outputs of a restore; undefined of what has none. */
export function restoredProbesOf(outputs: Values): RestoredProbes | undefined {
  const parsed = RESTORE_OUTPUTS.pick({ probeResults: true }).safeParse(outputs);
  return parsed.success ? parsed.data.probeResults : undefined;
}

/**
 * Writes a report's text where a user wants it: all of it, or what was there before stays.
 * @throws StasisError `report.unwritable`
 */
export async function writeReport(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomUUID()}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(draft, text);
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw new StasisError('report.unwritable', `The report cannot be written to ${path}.`, {
      hint: 'Name a file in a folder that can be written to.',
      cause,
    });
  }
}
