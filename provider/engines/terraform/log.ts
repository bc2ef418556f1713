import type { Logger, LogLevel, Progress } from '../../core/context.ts';
import type { Reporting } from '../calls.ts';
import { thinned } from '../progress.ts';
import type { Redact } from '../redaction.ts';

/** How much a level says: a log set to `info` shows what ranks as high or higher. */
const RANK: Readonly<Record<LogLevel, number>> = { trace: 0, debug: 1, info: 2, warn: 3, error: 4 };

/**
 * The least level worth writing: Terraform throws away what its own TF_LOG does not show. Without it, `info`, as the
 * engine keeps the last lines of a plugin that dies.
 */
export function logLevel(environment: NodeJS.ProcessEnv): LogLevel {
  const asked = (environment.TF_LOG_PROVIDER ?? environment.TF_LOG ?? '').toLowerCase();
  if (asked === 'json') return 'trace';
  return asked in RANK ? (asked as LogLevel) : 'info';
}

/** Writes hclog's JSON lines, which the engine sorts into its own log. `redact` sees all text before it leaves. */
export function hclogLogger(
  write: (line: string) => void,
  least: LogLevel,
  redact: (text: string) => string = (text) => text,
): Logger {
  return {
    log(level, message, fields) {
      if (RANK[level] < RANK[least]) return;
      // hclog reads exactly six digits of a second's fraction.
      const timestamp = `${new Date().toISOString().slice(0, -1)}000Z`;
      const line = {
        '@level': level,
        '@message': message,
        '@module': 'stasis',
        '@timestamp': timestamp,
        ...fields,
      };
      write(`${redact(JSON.stringify(line))}\n`);
    },
  };
}

/** Progress as log lines, at most two a second; warnings always pass. */
export function progressToLog(logger: Logger, nowMs: () => number): Progress {
  return thinned(({ severity, message, ...fields }) => {
    const level = severity === undefined ? 'info' : severity === 'warning' ? 'warn' : 'error';
    logger.log(level, message ?? fields.step, fields);
  }, nowMs);
}

/** What a call of the engine tells, with these secrets taken out. */
export function hclogReporting(write: (line: string) => void, least: LogLevel, redact: Redact): Reporting {
  const logger = hclogLogger(write, least, redact);
  return { logger, progress: progressToLog(logger, () => performance.now()) };
}
