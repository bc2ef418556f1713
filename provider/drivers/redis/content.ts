import { z } from 'zod';
import { type BlobDigest, isBlobDigest } from '../../core/blob-digest.ts';
import { StasisError } from '../../core/errors.ts';

export const CONTENT_VERSION = 1;

const digest = z.custom<BlobDigest>(isBlobDigest);

/** What a capture's `content` holds. */
const capturedSchema = z.object({
  /** The RDB as the server sent it. */
  rdb: digest,
  rdbBytes: z.number(),
  /** The RDB version in its header. */
  rdbVersion: z.number(),
  /** Types of values in it, as RDB_TYPE: what a target has to understand. */
  types: z.array(z.number()),
  keys: z.number(),
  /** Which databases have keys. */
  databases: z.array(z.number()),
  /** Libraries of functions, by name. */
  functions: z.array(z.string()),
  /** Modules whose own types of values are in it. */
  modules: z.array(z.string()),
  /** Lines of ACL LIST, which hold password hashes; absent where users were not captured. */
  users: digest.optional(),
  userRights: z.array(z.object({ name: z.string(), rights: z.string() })),
  /** Of the server, where it behaves otherwise by them; read just after the cut. */
  settings: z.array(z.object({ name: z.string(), value: z.string() })),
  usedMemoryBytes: z.number(),
});

export type CapturedContent = z.infer<typeof capturedSchema>;

/** @throws StasisError `redis.content-newer`, `redis.content-malformed` */
export function readContent(capture: {
  readonly contentVersion: number;
  readonly content: unknown;
}): CapturedContent {
  if (capture.contentVersion > CONTENT_VERSION)
    throw new StasisError(
      'redis.content-newer',
      `The capture has format ${capture.contentVersion}, and this version knows up to ${CONTENT_VERSION}.`,
      {
        hint: 'Restore it with the version of Stasis that made it, or a newer one.',
      },
    );
  const parsed = capturedSchema.safeParse(capture.content);
  if (parsed.success) return parsed.data;
  throw new StasisError('redis.content-malformed', 'The capture lacks what a restore needs.', {
    cause: parsed.error,
  });
}

/** The bytes of a function library, and its name from the first line: `#!lua name=mylib`. */
export function libraryName(code: Buffer): string {
  const first = code.toString('latin1', 0, Math.max(0, code.indexOf('\n')) || code.length);
  return /\bname=([^\s]+)/i.exec(first)?.[1] ?? '';
}
