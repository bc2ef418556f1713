const UNITS_MS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000 } as const;

/** `30d`, `12h`, `1d12h`, `90m`, `45s` in milliseconds; undefined of anything else. */
export function parseDuration(text: string): number | undefined {
  const match = /^(?=\d)(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?$/.exec(text);
  if (match === null) return undefined;
  const [, days = 0, hours = 0, minutes = 0, seconds = 0] = match;
  const sum =
    Number(days) * UNITS_MS.d +
    Number(hours) * UNITS_MS.h +
    Number(minutes) * UNITS_MS.m +
    Number(seconds) * UNITS_MS.s;
  return sum > 0 ? sum : undefined;
}

/** An age for people, in its largest unit: `3 days`, `1 hour`. */
export function formatAge(ageMs: number): string {
  const units = [
    ['day', UNITS_MS.d],
    ['hour', UNITS_MS.h],
    ['minute', UNITS_MS.m],
    ['second', UNITS_MS.s],
  ] as const;
  const [unit, sizeMs] = units.find(([, one]) => ageMs >= one) ?? ['second', UNITS_MS.s];
  const number = Math.max(0, Math.floor(ageMs / sizeMs));
  return `${number} ${unit}${number === 1 ? '' : 's'}`;
}
