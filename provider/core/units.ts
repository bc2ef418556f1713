/** Nanoseconds in a millisecond. */
export const NS_PER_MS = 1_000_000;

export function nsToMs(ns: number): number {
  return ns / NS_PER_MS;
}

/** To the microsecond: what is below is noise of the clock's reading. */
export function roundMs(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** Bytes for people, in decimal units: `412 MB`. */
export function formatBytes(sizeBytes: number): string {
  let value = sizeBytes;
  let unit = 0;
  while (value >= 1000 && unit < BYTE_UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${BYTE_UNITS[unit]}`;
}

/** A duration for people: `0.4 ms`, `74 ms`, `6.2 s`. */
export function formatMs(ms: number): string {
  if (ms >= 10_000) return `${(ms / 1000).toFixed(0)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return ms >= 10 ? `${ms.toFixed(0)} ms` : `${ms.toFixed(1)} ms`;
}
