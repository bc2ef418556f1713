import { z } from 'zod';
import { StasisError } from '../../core/errors.ts';

/**
 * What a restore is about to do to a target, written down before it does anything: what `rollBack` needs, also when
 * another process does it. Holds no password, nor the hash of one.
 */
const entrySchema = z.object({
  kind: z.literal('restore'),
  restoreId: z.string(),
  /** Databases that are loaded into; each then carries the restore's mark until it is released. */
  databases: z.array(z.number()),
  /** Libraries of functions that are made. */
  made: z.array(z.string()),
  /** The code of those that are replaced. */
  replaced: z.record(z.string(), z.string()),
  /** ACL users that are made. */
  users: z.array(z.string()),
});

export type JournalEntry = z.infer<typeof entrySchema>;

/** A target is about to be told to follow a stand-in master of ours. The login for that is in no journal. */
const followSchema = z.object({ kind: z.literal('follow'), host: z.string(), port: z.number() });

export type FollowEntry = z.infer<typeof followSchema>;

/** An original is about to be kept from taking writes; `before` is its min-replicas-to-write of until then. */
const fenceSchema = z.object({ kind: z.literal('fence'), before: z.string() });

export type FenceEntry = z.infer<typeof fenceSchema>;

const anySchema = z.discriminatedUnion('kind', [entrySchema, followSchema, fenceSchema]);

/** @throws StasisError `redis.journal-malformed` */
export function readEntry(entry: unknown): JournalEntry | FollowEntry | FenceEntry {
  const parsed = anySchema.safeParse(entry);
  if (parsed.success) return parsed.data;
  throw new StasisError(
    'redis.journal-malformed',
    'The journal has an entry that this version does not know.',
    {
      hint: 'Use the version of Stasis that wrote it, or a newer one.',
    },
  );
}
