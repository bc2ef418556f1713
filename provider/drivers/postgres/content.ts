import { z } from 'zod';
import { type BlobDigest, isBlobDigest } from '../../core/blob-digest.ts';
import { readJson } from '../../core/blobs.ts';
import { StasisError } from '../../core/errors.ts';
import type { MemberCapture } from '../../core/manifest.ts';
import type { BlobDescriptor, BlobReader } from '../../core/store.ts';
import type { SequencePosition } from './capture/tables.ts';
import type { Role } from './fingerprint/roles.ts';
import type { DatabaseShared } from './fingerprint/shared-state.ts';

/** Our version of what a capture holds; a newer one is refused. */
export const CONTENT_VERSION = 1;

const digest = z.custom<BlobDigest>(isBlobDigest);
const blob = z.object({ digest, sizeBytes: z.number() });

const database = z.object({
  name: z.string(),
  /** What its objects begin with in the fingerprint. */
  prefix: z.string(),
  encoding: z.string(),
  collate: z.string(),
  ctype: z.string(),
  provider: z.string(),
  locale: z.string().optional(),
  icuRules: z.string().optional(),
  collationVersion: z.string().optional(),
  sizeBytes: z.number(),
  extensions: z.array(z.object({ name: z.string(), version: z.string(), schema: z.string() })),
  /** pg_dump's archive of all but rows. */
  schema: blob,
  /** pg_dump's archive of large objects, where there are any. */
  largeObjects: blob.optional(),
  /** JSON of DatabaseIndex. */
  index: blob,
  /** JSON of HotRelation[]; absent where nobody could tell. */
  hot: blob.extend({ hotBytes: z.number() }).optional(),
});

const content = z.object({
  /** Major version of the source and of the programs that dumped it. */
  serverMajor: z.number(),
  dumpedByMajor: z.number(),
  databases: z.array(database),
  /** JSON of Role[]: verifiers of passwords are in it, so it is no part of the manifest. */
  roles: blob,
  roleNames: z.array(z.string()),
  /** Roles that own something. */
  owners: z.array(z.string()),
  /** Roles to which a restore has to give what it makes; absent in snapshots of before it was kept. */
  objectOwners: z.array(z.string()).optional(),
});

export type PostgresContent = z.infer<typeof content>;
export type CapturedDatabase = z.infer<typeof database>;

const index = z.object({
  tables: z.array(
    z.object({
      schema: z.string(),
      name: z.string(),
      label: z.string(),
      columns: z.array(z.string()),
      key: z.array(z.string()).optional(),
      generated: z.literal(true).optional(),
      rows: blob,
    }),
  ),
  sequences: z.array(
    z.object({
      schema: z.string(),
      name: z.string(),
      label: z.string(),
      lastValue: z.string(),
      isCalled: z.boolean(),
    }),
  ),
  shared: z.object({
    owner: z.string(),
    grants: z
      .array(z.object({ grantee: z.string().optional(), privilege: z.string(), grantable: z.boolean() }))
      .optional(),
    settings: z.array(z.object({ role: z.string().optional(), settings: z.array(z.string()) })),
    comment: z.string().optional(),
    connectionLimit: z.number(),
    effective: z.array(z.object({ name: z.string(), value: z.string(), meaning: z.string() })),
  }),
});

/** A table with the blob that holds its rows, in COPY's text format, as UTF-8 (for SQL_ASCII, as the bytes that are there). */
export interface CopiedTable {
  readonly schema: string;
  readonly name: string;
  readonly label: string;
  /** Quoted. */
  readonly columns: readonly string[];
  /** Which of them tell one row from every other; absent where none do, and before that was noted. */
  readonly key?: readonly string[];
  /** It has columns that are computed of these, which its fingerprint has in it. */
  readonly generated?: true;
  readonly rows: BlobDescriptor;
}

/** One database's tables with their rows' blobs, where its sequences stand, and what no dump of it has. */
export interface DatabaseIndex {
  readonly tables: readonly CopiedTable[];
  readonly sequences: readonly SequencePosition[];
  readonly shared: DatabaseShared;
}

const membership = z.object({
  role: z.string(),
  admin: z.boolean(),
  inherit: z.boolean(),
  set: z.boolean(),
});

const role = z.object({
  name: z.string(),
  attributes: z.array(z.string()),
  connectionLimit: z.number(),
  validUntil: z.string().optional(),
  verifier: z.string().optional(),
  settings: z.array(z.string()),
  comment: z.string().optional(),
  memberOf: z.array(membership),
});

/** @throws StasisError `postgres.newer-content`, `postgres.bad-content` */
export function parseContent(from: MemberCapture): PostgresContent {
  if (from.contentVersion > CONTENT_VERSION)
    throw new StasisError(
      'postgres.newer-content',
      `The snapshot's Postgres content has version ${from.contentVersion}; this Stasis reads up to ${CONTENT_VERSION}.`,
      { hint: 'Use a newer Stasis.' },
    );
  return parsed(content, from.content);
}

export async function readIndex(blobs: BlobReader, captured: CapturedDatabase): Promise<DatabaseIndex> {
  return parsed(index, await readJson(blobs, captured.index.digest));
}

export async function readRoleRecords(blobs: BlobReader, from: PostgresContent): Promise<Role[]> {
  return parsed(z.array(role), await readJson(blobs, from.roles.digest));
}

function parsed<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new StasisError(
    'postgres.bad-content',
    `The snapshot's Postgres content is not as it should be at ${issue?.path.join('.')}: ${issue?.message}.`,
  );
}
