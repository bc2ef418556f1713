import { abortReason, throwIfAborted } from '../../core/errors.ts';

/**
 * The pieces of `content`, until the signal aborts: then it throws the signal's reason at once, also while the
 * source is silent. A source that is between two pieces is told to end, and nobody waits for it to do so.
 */
export async function* abortable(
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  throwIfAborted(signal);
  let abort: () => void = () => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => reject(abortReason(signal));
  });
  aborted.catch(() => {});
  signal.addEventListener('abort', abort, { once: true });
  const source = content[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      const next = await Promise.race([source.next(), aborted]);
      if (next.done === true) {
        ended = true;
        return;
      }
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', abort);
    if (!ended) {
      const done = source.return?.();
      if (signal.aborted) done?.catch(() => {});
      else await done;
    }
  }
}
