import { z } from 'zod';
import { parseDuration } from '../core/duration.ts';

/** How old a drill may be, as a user says it. */
export const AGE = z.string().refine((text) => parseDuration(text) !== undefined, {
  message: 'This is no age',
  params: { code: 'age.malformed', hint: 'For example 30d, 12h or 1d12h; the units are d, h, m and s.' },
});
