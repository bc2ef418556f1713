/**
 * The content, and word of its own failure. Whoever reads it may break off with an error of his own (a stream that is
 * destroyed throws into what it reads from): that is no failure of the content.
 * @param failed called once, when the content itself throws; then there is no more of it until that returns
 */
export async function* watchedContent(
  content: AsyncIterable<Uint8Array>,
  failed: (error: unknown) => Promise<void> | void,
): AsyncGenerator<Uint8Array> {
  const iterator = content[Symbol.asyncIterator]();
  let over = false;
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    try {
      return await iterator.next();
    } catch (error) {
      over = true;
      await failed(error);
      return { done: true, value: undefined };
    }
  };
  try {
    for (let result = await next(); !result.done; result = await next()) yield result.value;
    over = true;
  } finally {
    if (!over) await iterator.return?.();
  }
}

/** What is in memory already, as content. */
export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
