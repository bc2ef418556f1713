import { z } from 'zod';

/** What a restore is about to make, for `undo`. Names only. */
const entry = z.object({
  restoreId: z.string(),
  /** `staging` is filled and renamed to `target`; what was there is renamed to `old`, then dropped. */
  databases: z.array(z.object({ target: z.string(), staging: z.string(), old: z.string() })),
  /** Roles that are made. */
  roles: z.array(z.string()),
  /** Roles that the login is made a member of, for as long as it gives their objects away. */
  granted: z.array(z.string()),
  /** A folder on the host. */
  folder: z.string().optional(),
});

export type JournalEntry = z.infer<typeof entry>;

/** Undefined for what is no entry of ours. */
export function parseJournalEntry(value: unknown): JournalEntry | undefined {
  const parsed = entry.safeParse(value);
  return parsed.success ? parsed.data : undefined;
}
