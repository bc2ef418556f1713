import { StasisError } from './errors.ts';
import { count } from './printable.ts';
import { formatBytes } from './units.ts';

/** Where the log of a member's writes stood at the cut, in the words of its own system. */
export interface LogPosition {
  /** Which log: only positions of the same can be compared. */
  readonly log: string;
  /** An LSN, a file with a place in it, an offset. */
  readonly at: string;
  /** Which transactions were in it, where the system numbers them. */
  readonly transactions?: string | undefined;
}

/** How far the log of an original has come since the cut. */
export interface LogProgress {
  readonly atCut: string;
  readonly now: string;
  /** What was written to it; undefined where that is not known any more. */
  readonly bytes?: number | undefined;
  /** Of the whole server; undefined where its log does not number them. */
  readonly transactions?: number | undefined;
}

/** Another server by the same address, or the same one with a log that was begun anew. */
export function otherLog(at: string): StasisError {
  return new StasisError(
    'lost-work.other-log',
    `It writes another log now than the one that stood at ${at}.`,
    {
      hint: 'Name the original as it was captured. A log that was begun anew cannot be compared.',
    },
  );
}

/** @throws StasisError `lost-work.other-log` of a log that has gone backwards. */
export function insistOnForward(progress: LogProgress): LogProgress {
  if ((progress.bytes ?? 0) < 0 || (progress.transactions ?? 0) < 0) throw otherLog(progress.atCut);
  return progress;
}

/** For people. */
export function logSentence({ atCut, now, bytes, transactions }: LogProgress): string {
  if (atCut === now) return `Its log still stands at ${atCut}.`;
  const counted = [
    ...(transactions === undefined ? [] : [count(transactions, 'transaction')]),
    ...(bytes === undefined ? [] : [formatBytes(bytes)]),
  ];
  return `Its log went from ${atCut} to ${now}${counted.length === 0 ? '' : ` (${counted.join(', ')})`}.`;
}
