import { type Message, placeOfField } from './wire.ts';

const TIMERFD = 12;
/** Of a timerfd: nanoseconds until it is due; seconds until then; and of its period. */
const [DUE_NS, DUE_S, PERIOD_S, PERIOD_NS] = [8, 7, 9, 10] as const;

/**
 * Changes a file of a dump where it has to be restored otherwise, and says whether it did. A timer with a period that was due
 * within the pause is shown by the kernel as due in no time at all, which CRIU restores as one that never comes due again. It
 * becomes one that is due in a nanosecond: its number in the image is a zero of one byte, and is then a one.
 */
export function mendTimer(file: Message): boolean {
  const timer = file.message(TIMERFD);
  if (timer === undefined || timer.number(DUE_S) + timer.number(DUE_NS) > 0) return false;
  if (timer.number(PERIOD_S) + timer.number(PERIOD_NS) === 0) return false;
  const due = placeOfField(file.bytes(TIMERFD), DUE_NS);
  if (due?.length !== 1) return false;
  due[0] = 1;
  return true;
}
