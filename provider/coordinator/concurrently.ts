import { throwIfAborted } from '../core/errors.ts';

/**
 * Runs all at once and waits for all to settle, also after one has failed, so that nothing goes on behind an error's
 * back: the others' signal aborts at once, and the first error is thrown.
 */
export async function allSettledOrThrow<In, Out>(
  items: readonly In[],
  outer: AbortSignal,
  work: (item: In, signal: AbortSignal) => Promise<Out>,
): Promise<Out[]> {
  throwIfAborted(outer);
  const failed = new AbortController();
  const signal = AbortSignal.any([outer, failed.signal]);
  let first: { readonly error: unknown } | undefined;
  const results = await Promise.all(
    items.map(async (item) => {
      try {
        return { value: await work(item, signal) };
      } catch (error) {
        first ??= { error };
        failed.abort(error);
        return undefined;
      }
    }),
  );
  if (first) throw first.error;
  return results.map((result) => result!.value);
}
