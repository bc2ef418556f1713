import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { StasisError } from '../../../core/errors.ts';
import { formatReference } from '../../../core/reference.ts';
import type { Values } from '../../../core/resource.ts';
import { formatOf, type ReportFormat, renderReport } from '../../../report/formats.ts';
import { gatherReport, outcomeOf, restoredProbesOf, writeReport } from '../../../resources/report.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { find, type Invocation, refusing } from '../invocation.ts';

export interface ReportOptions {
  /** A file, or `-` for standard output. */
  readonly output: string;
  readonly format?: ReportFormat;
  /** What a restore or a comparison printed with `--json`. */
  readonly outcome?: string;
}

/** Standard input or output. */
const STANDARD = '-';
/** Differences are kept up to a bound a member: a larger file is another one than was meant. */
const MAX_OUTCOME_BYTES = 64 * 1_048_576;

/** One snapshot as a page, as JSON or as Markdown. */
export async function report(
  invocation: Invocation,
  reference: string,
  options: ReportOptions,
): Promise<ExitStatus> {
  const { store, entry } = await find(invocation, reference);
  const exact = formatReference({ name: entry.name, digest: entry.digest });
  const { outcome: file } = options;
  const found = file === undefined ? undefined : await refusing(() => readOutcome(invocation, file));
  const outcome = found && (await refusing(async () => outcomeOf(found, exact)));
  const facts = await gatherReport(
    store,
    entry,
    invocation.context,
    outcome,
    found && restoredProbesOf(found),
  );
  const isPiped = options.output === STANDARD;
  const format = options.format ?? (isPiped ? 'markdown' : (formatOf(options.output) ?? 'html'));
  for (const { message } of facts.judgement.contradictions)
    invocation.output.problem(new StasisError('report.contradiction', message, { severity: 'warning' }));
  if (isPiped) {
    if (invocation.options.json) invocation.output.result(facts, () => '');
    else invocation.output.text(renderReport(facts, format));
    return EXIT.done;
  }
  const path = resolve(invocation.source.cwd, options.output);
  await writeReport(path, renderReport(facts, format));
  const { sharp, blurMs, contradictions } = facts.judgement;
  const values = { reference: exact, format, path, sharp, blurMs, contradictions };
  invocation.output.result(values, () => path);
  return EXIT.done;
}

async function readOutcome({ source }: Invocation, file: string): Promise<Values> {
  try {
    const text = file === STANDARD ? await source.readStdin() : await readBounded(resolve(source.cwd, file));
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Values) : {};
  } catch (cause) {
    throw new StasisError('report.outcome-unreadable', `The outcome in ${file} cannot be read.`, {
      hint: 'Save what "stasis restore --json" or "stasis compare --json" prints.',
      cause,
    });
  }
}

async function readBounded(path: string): Promise<string> {
  if ((await stat(path)).size > MAX_OUTCOME_BYTES) throw new RangeError(`${path} is too large`);
  return readFile(path, 'utf8');
}
