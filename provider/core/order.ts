/** Compares two strings by their UTF-16 code units, as fingerprints are sorted: the same on every machine. */
export function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
