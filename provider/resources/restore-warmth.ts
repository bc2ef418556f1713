import { z } from 'zod';
import type { MemberWarmth } from '../coordinator/warm.ts';
import type { Values } from '../core/resource.ts';
import { warmthSentence } from '../core/warmth.ts';
import { roundMs } from './snapshot-outputs.ts';

export const WARM_INPUT = z
  .boolean()
  .optional()
  .describe(
    "Once all is loaded and compared, read back into each member's caches what lay in them at the cut, as far as the snapshot knows and memory itself does not come back: the buffers of Postgres, MariaDB and MySQL, and the page cache of files. false unless said.",
  );

const warmth = z
  .object({
    known: z.boolean().describe('Whether the snapshot knows what was hot.'),
    hotBytes: z.number().describe('What lay in its caches at the cut, in bytes; 0 where it is not known.'),
    warmedBytes: z.number().describe('What was read back before the release, in bytes.'),
    warmMs: z.number().describe('How long that took, in milliseconds.'),
    message: z.string().describe('For people, also why it is less than all that was hot.'),
  })
  .meta({ typeName: 'Warmth' });

export const WARMTH_OUTPUT = z
  .record(z.string(), warmth)
  .describe('With warm, what was brought back into the caches of each member that has some.');

export function warmthOutputs(warmths: Readonly<Record<string, MemberWarmth>>): Values {
  const all = Object.entries(warmths).map(([name, one]) => [
    name,
    {
      known: one.hotBytes !== undefined,
      hotBytes: one.hotBytes ?? 0,
      warmedBytes: one.warmedBytes,
      warmMs: roundMs(one.warmMs),
      message: warmthSentence(one),
    },
  ]);
  return { warmth: Object.fromEntries(all) };
}
