import { type Images, splitEntries } from './image.ts';
import { placeOfField } from './wire.ts';

const TIMERFD = 12;
/** Of a timerfd: nanoseconds until it is due; seconds until then; and of its period. */
const [DUE_NS, DUE_S, PERIOD_S, PERIOD_NS] = [8, 7, 9, 10] as const;

/**
 * files.img as it has to be restored; undefined where it is right. A timer with a period that was due within the pause
 * is shown by the kernel as due in no time at all, which CRIU restores as one that never comes due again. It becomes
 * one that is due in a nanosecond: its number in the image is a zero of one byte, and is then a one.
 */
export async function mendedTimers(images: Images): Promise<Uint8Array | undefined> {
  const { head, entries } = await splitEntries(images, 'files.img');
  let mended = false;
  for (const { message } of entries) {
    const timer = message.message(TIMERFD);
    if (timer === undefined || timer.number(DUE_S) + timer.number(DUE_NS) > 0) continue;
    if (timer.number(PERIOD_S) + timer.number(PERIOD_NS) === 0) continue;
    const due = placeOfField(message.bytes(TIMERFD), DUE_NS);
    if (due?.length !== 1) continue;
    due[0] = 1;
    mended = true;
  }
  return mended ? Buffer.concat([head, ...entries.map(({ bytes }) => bytes)]) : undefined;
}
