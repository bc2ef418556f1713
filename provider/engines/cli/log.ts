import type { Logger, LogLevel } from '../../core/context.ts';
import { printable } from './screen/text.ts';

/** From the most talkative on; a level shows itself and what comes after it. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const satisfies readonly LogLevel[];

/** Lines for people and `grep`: time, level, sentence, fields. */
export function lineLogger(least: LogLevel, print: (line: string) => void, wallMs: () => number): Logger {
  const rank = LOG_LEVELS.indexOf(least);
  return {
    log(level, message, fields = {}) {
      if (LOG_LEVELS.indexOf(level) < rank) return;
      const shown = Object.entries(fields).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`);
      const time = new Date(wallMs()).toISOString();
      print(printable(`${time} ${level.padEnd(5)} ${message}${shown.join('')}`));
    },
  };
}
