import { z } from 'zod';
import { codeDefinition } from '../content.ts';

/** What a restore is about to make or to move, for `undo`. */
const entry = z.object({
  restoreId: z.string(),
  databases: z.array(
    z.object({
      /** `staging` is filled, then its tables move to `target`; what was there moves to `old`, which is then dropped. */
      target: z.string(),
      staging: z.string(),
      old: z.string(),
      existed: z.boolean(),
      /** Tables and sequences that are moved in. */
      tables: z.array(z.string()),
      /** Once the swap begins: what there was, which no rename takes along. */
      before: z
        .object({
          tables: z.array(z.string()),
          code: z.array(codeDefinition),
          charset: z.string(),
          collation: z.string(),
          comment: z.string(),
        })
        .optional(),
    }),
  ),
});

export type JournalEntry = z.infer<typeof entry>;
export type SwappedDatabase = JournalEntry['databases'][number];

/** Undefined for what is no entry of ours. */
export function parseJournalEntry(value: unknown): JournalEntry | undefined {
  const parsed = entry.safeParse(value);
  return parsed.success ? parsed.data : undefined;
}
