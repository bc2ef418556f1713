import type { Logger, ProgressEvent } from '../../core/context.ts';
import type { StasisError } from '../../core/errors.ts';
import { formatBytes } from '../../core/units.ts';
import type { Reporting } from '../calls.ts';
import { thinned } from '../progress.ts';
import type { Redact } from '../redaction.ts';
import type { Engine } from './engine.ts';
import { sentenceOf } from './errors.ts';

/** What a call tells the engine: progress beside the resource, at most twice a second, and lines for its log. */
export function engineReporting(
  engine: Engine,
  verbose: boolean,
  urn: string | undefined,
  redact: Redact,
): Reporting {
  const logger: Logger = {
    log(level, message, fields) {
      // What the engine shows to everybody is told as a problem or as progress; this is for its log, and for who
      // asks for `--debug`.
      if (level === 'trace' && !verbose) return;
      const more = fields === undefined ? '' : ` ${JSON.stringify(fields)}`;
      engine.tell({ level: 'debug', text: redact(`${level}: ${message}${more}`), urn });
    },
  };
  const progress = thinned(
    (event) => {
      // Warnings come back with the result of the call, and are told then.
      if (event.severity === undefined)
        engine.tell({ level: 'info', text: redact(progressLine(event)), urn, ephemeral: true });
    },
    () => performance.now(),
  );
  return { logger, progress };
}

/** `copy orders 12 MB of 412 MB` */
function progressLine({ step, member, message, doneBytes, totalBytes }: ProgressEvent): string {
  const of = totalBytes === undefined ? '' : ` of ${formatBytes(totalBytes)}`;
  const done = doneBytes === undefined ? undefined : `${formatBytes(doneBytes)}${of}`;
  return [step, member, message, done].filter((part) => part !== undefined).join(' ');
}

export function tellWarnings(
  engine: Engine,
  urn: string | undefined,
  warnings: readonly StasisError[],
  redact: Redact,
): void {
  for (const warning of warnings) engine.tell({ level: 'warn', text: redact(sentenceOf(warning)), urn });
}
