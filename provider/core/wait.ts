import { setTimeout as delay } from 'node:timers/promises';
import { abortReason, StasisError, throwIfAborted, toStasisError } from './errors.ts';

/** Waits, or throws the signal's reason. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, signal ? { signal } : undefined);
  } catch (error) {
    if (signal) throwIfAborted(signal);
    throw error;
  }
}

/**
 * The work, given a signal that aborts when the outer one does or after `timeoutMs`; if it does not end even then,
 * the promise rejects all the same and the work is left to end alone. `what` names it in the error.
 *
 * @throws StasisError `timeout`, or whatever the work or the outer signal says.
 */
export async function within<T>(
  timeoutMs: number,
  what: string,
  outer: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (outer) throwIfAborted(outer);
  const controller = new AbortController();
  let expire: (error: StasisError) => void = () => {};
  const expired = new Promise<never>((_resolve, reject) => {
    expire = reject;
  });
  const onAbort = (): void => {
    const error = toStasisError(outer?.reason, 'cancelled');
    const reason =
      outer?.reason instanceof StasisError ? error : new StasisError('cancelled', 'The work was cancelled.');
    controller.abort(reason);
    expire(reason);
  };
  outer?.addEventListener('abort', onAbort, { once: true });
  const timer = setTimeout(() => {
    const error = new StasisError('timeout', `${what} took longer than ${timeoutMs} ms.`);
    controller.abort(error);
    expire(error);
  }, timeoutMs);
  try {
    return await Promise.race([work(controller.signal), expired]);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener('abort', onAbort);
  }
}

/** What fails once the caller has cancelled fails because of that, whatever it says. */
export async function orCancelled<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw signal.aborted ? abortReason(signal) : error;
  }
}
