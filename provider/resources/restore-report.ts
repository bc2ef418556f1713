import { access, constants, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import type { ComparisonResult } from '../coordinator/compare.ts';
import type { Context } from '../core/context.ts';
import { StasisError } from '../core/errors.ts';
import { formatReference, parseReference } from '../core/reference.ts';
import type { Values } from '../core/resource.ts';
import type { Store } from '../core/store.ts';
import { formatOf, renderReport } from '../report/formats.ts';
import { gatherReport, outcomeOf, restoredProbesOf, writeReport } from './report.ts';
import { comparedOutputs, probesOf } from './restore-outputs.ts';

/** Where a Restore writes its report, as a user says it. */
export const REPORT_INPUT = z
  .string()
  .refine((path) => formatOf(path) !== undefined, 'The name of a report ends in .html, .json or .md')
  .optional()
  .describe(
    'A file to write a report to, where the engine runs: .html for a page to look at, .json, or .md for a comment. It is written when a restore ran, also one that was rolled back because it drifted, and when another file is named; removing the resource leaves it.',
  );

/** What would keep a report from being written, told before anything is restored. */
export async function reportProblems(report: unknown): Promise<StasisError[]> {
  if (typeof report !== 'string' || formatOf(report) === undefined) return [];
  const path = resolve(report);
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder && (await canWriteBelow(dirname(path)))) return [];
  return [
    new StasisError('report.unwritable', `The report cannot be written to ${path}.`, {
      hint: 'Name a file in a folder that can be written to.',
      at: ['report'],
    }),
  ];
}

/** A folder that is not there yet is made in the next one above that is. */
async function canWriteBelow(folder: string): Promise<boolean> {
  try {
    if (!(await stat(folder)).isDirectory()) return false;
  } catch (error) {
    const above = dirname(folder);
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && above !== folder && canWriteBelow(above);
  }
  return access(folder, constants.W_OK).then(
    () => true,
    () => false,
  );
}

/**
 * Writes the report of a restore, where the inputs ask for one. What was restored is restored: a report that cannot be
 * written is logged, and fails nothing.
 * @param outputs of the restore, with the reference of what was restored
 */
export async function reportRestore(
  report: unknown,
  outputs: Values,
  store: () => Promise<Store>,
  context: Context,
): Promise<void> {
  if (typeof report !== 'string') return;
  const path = resolve(report);
  try {
    const { name, digest } = parseReference(String(outputs.reference));
    const reference = formatReference({ name, digest });
    const facts = await gatherReport(
      await store(),
      { name, digest: digest! },
      context,
      outcomeOf(outputs, reference),
      restoredProbesOf(outputs),
    );
    await writeReport(path, renderReport(facts, formatOf(path)!));
    context.logger.log('info', 'the report is written', { path });
  } catch (error) {
    context.logger.log('warn', 'the report cannot be written', {
      path,
      reason: error instanceof Error ? error.message : String(error),
    });
  }
}

/** What a restore that was rolled back found, as its outputs would have said it; undefined of any other error. */
export function rolledBackOutputs(error: unknown, reference: string): Values | undefined {
  if (!(error instanceof StasisError) || error.code !== 'restore.drifted') return undefined;
  const found = error.details.result as ComparisonResult | undefined;
  return found && { reference, ...comparedOutputs(found), probeResults: probesOf(found) };
}
