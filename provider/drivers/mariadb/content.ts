import { z } from 'zod';
import { type BlobDigest, isBlobDigest } from '../../core/blob-digest.ts';
import { readJson } from '../../core/blobs.ts';
import { StasisError } from '../../core/errors.ts';
import type { MemberCapture } from '../../core/manifest.ts';
import type { BlobReader } from '../../core/store.ts';

/** Our version of what a capture holds; a newer one is refused. */
export const CONTENT_VERSION = 1;

const digest = z.custom<BlobDigest>(isBlobDigest);
const blob = z.object({ digest, sizeBytes: z.number() });

const database = z.object({
  name: z.string(),
  /** What its objects begin with in the fingerprint. */
  prefix: z.string(),
  charset: z.string(),
  collation: z.string(),
  /** Without the mark of a restore of ours. */
  comment: z.string(),
  sizeBytes: z.number(),
  /** JSON of DatabaseIndex. */
  index: blob,
  /** JSON of HotDatabase; absent where nobody could tell. */
  hot: blob.extend({ hotBytes: z.number() }).optional(),
});

const content = z.object({
  /** Before there were two, it was MariaDB. */
  product: z.enum(['MariaDB', 'MySQL']).default('MariaDB'),
  release: z.tuple([z.number(), z.number()]),
  lowerCaseNames: z.number(),
  databases: z.array(database),
  /** All that its tables, columns and databases use. */
  collations: z.array(z.string()),
  engines: z.array(z.string()),
  /** Functions that do not say what they do: a server that logs takes them only where it is told to trust. */
  undeclared: z.array(z.string()),
  /** Of the server, where statements mean something else by them. */
  settings: z.array(z.object({ name: z.string(), value: z.string(), meaning: z.string() })),
});

export type MariadbContent = z.infer<typeof content>;
export type CapturedDatabase = z.infer<typeof database>;

const definition = z.object({ name: z.string(), create: z.string() });
export const codeDefinition = definition.extend({
  kind: z.enum(['view', 'trigger', 'procedure', 'function', 'package', 'package body', 'event']),
  sqlMode: z.string().optional(),
  charset: z.string(),
  collation: z.string(),
  timeZone: z.string().optional(),
  status: z.string().optional(),
});

const index = z.object({
  tables: z.array(
    definition.extend({
      /** Names of those that the rows have. */
      columns: z.array(z.string()),
      /** Which of them tell one row from every other; absent where none do. */
      key: z.array(z.string()).optional(),
      /** Which of them go into the fingerprint by their own hash; absent before that was noted. */
      long: z.array(z.string()).optional(),
      /** Which of them go in as the 16 bytes that they are. */
      uuids: z.array(z.string()).optional(),
      /** It has columns that are computed of these, which its fingerprint has in it. */
      generated: z.literal(true).optional(),
      /** Lines of `(1,'a',NULL),`: see capture/tables.ts. */
      rows: blob,
      /** Where AUTO_INCREMENT stands. */
      next: z.string().optional(),
    }),
  ),
  sequences: z.array(definition.extend({ next: z.string(), round: z.string() })),
  code: z.array(codeDefinition),
});

/** One database's tables with their rows' blobs, its sequences, views and code. */
export type DatabaseIndex = z.infer<typeof index>;

/** @throws StasisError `mariadb.newer-content`, `mariadb.bad-content` */
export function parseContent(from: MemberCapture): MariadbContent {
  if (from.contentVersion > CONTENT_VERSION)
    throw new StasisError(
      'mariadb.newer-content',
      `The snapshot's MariaDB content has version ${from.contentVersion}; this Stasis reads up to ${CONTENT_VERSION}.`,
      { hint: 'Use a newer Stasis.' },
    );
  return parsed(content, from.content);
}

export async function readIndex(blobs: BlobReader, captured: CapturedDatabase): Promise<DatabaseIndex> {
  return parsed(index, await readJson(blobs, captured.index.digest));
}

function parsed<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new StasisError(
    'mariadb.bad-content',
    `The snapshot's MariaDB content is not as it should be at ${issue?.path.join('.')}: ${issue?.message}.`,
  );
}
