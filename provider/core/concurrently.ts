/**
 * Runs all at once and waits for all to settle, also after one has failed; then throws the first error. `onFailure`
 * is called at that first error, to end what the others do.
 */
export async function concurrently<In, Out>(
  items: readonly In[],
  work: (item: In, index: number) => Promise<Out>,
  onFailure: () => void = () => {},
): Promise<Out[]> {
  let first: { readonly error: unknown } | undefined;
  const results = await Promise.all(
    items.map(async (item, index) => {
      try {
        return { value: await work(item, index) };
      } catch (error) {
        if (!first) onFailure();
        first ??= { error };
        return undefined;
      }
    }),
  );
  if (first) throw first.error;
  return results.map((result) => result!.value);
}
