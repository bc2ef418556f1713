/** Bytes of a file, from the first to before the last. Lists of them are in order and do not overlap. */
export type Span = readonly [from: number, to: number];

export function lengthOf(spans: readonly Span[]): number {
  return spans.reduce((sum, [from, to]) => sum + to - from, 0);
}

/** What lies in both. */
export function within(spans: readonly Span[], others: readonly Span[]): Span[] {
  const common: Span[] = [];
  for (let i = 0, j = 0; i < spans.length && j < others.length; ) {
    const [from, to] = spans[i]!;
    const [otherFrom, otherTo] = others[j]!;
    if (Math.max(from, otherFrom) < Math.min(to, otherTo))
      common.push([Math.max(from, otherFrom), Math.min(to, otherTo)]);
    if (to < otherTo) i += 1;
    else j += 1;
  }
  return common;
}

/** What of a file is in none of them. */
export function outsideOf(spans: readonly Span[], sizeBytes: number): Span[] {
  const edges = [0, ...spans.flat(), sizeBytes];
  return edges.flatMap((from, index): Span[] =>
    index % 2 === 0 && from < edges[index + 1]! ? [[from, edges[index + 1]!]] : [],
  );
}
