import { readFile } from 'node:fs/promises';
import { type Digest, isDigest } from '../../core/digest.ts';
import { StasisError } from '../../core/errors.ts';
import { isName } from '../../core/reference.ts';
import { ARTIFACT_TYPE, INDEX_TYPE, MANIFEST_TYPE } from '../oci/manifest.ts';
import { isCode, writeDurably } from './durable.ts';
import type { Layout } from './layout.ts';

const REF_NAME = 'org.opencontainers.image.ref.name';
const GENERATION = 'dev.stasis.generation';
const CUT_AT = 'dev.stasis.cut-at';

/** One entry of index.json, as far as it can be read. Other tools drop the annotations that they do not know. */
export interface IndexEntry {
  /** As it stands there; written back unchanged. */
  readonly raw: unknown;
  readonly mediaType: string | undefined;
  readonly artifactType: string | undefined;
  readonly digest: Digest | undefined;
  readonly sizeBytes: number | undefined;
  /** Whether the entry itself says that it is a snapshot of ours; where it does not, its manifest may. */
  readonly isOurs: boolean;
  /** From its reference name, `shop` or `shop_3`. */
  readonly name: string | undefined;
  readonly tagGeneration: number | undefined;
  /** From our annotations. */
  readonly generation: number | undefined;
  readonly cutAt: string | undefined;
}

/** What index.json says. It is the one file that makes a snapshot exist. */
export interface LayoutIndex {
  readonly rest: Readonly<Record<string, unknown>>;
  readonly entries: readonly IndexEntry[];
}

/** A sealed snapshot as the index lists it. */
export interface ListedSnapshot {
  readonly name: string;
  readonly generation: number;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly cutAt: string;
}

/**
 * Undefined when there is no index: the store has not been made yet.
 * @throws StasisError `store.damaged`
 */
export async function readIndex(layout: Layout): Promise<LayoutIndex | undefined> {
  let text: string;
  try {
    text = await readFile(layout.indexFile, 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
  try {
    const { manifests, ...rest } = JSON.parse(text) as Record<string, unknown>;
    if (Array.isArray(manifests) && rest.schemaVersion === 2)
      return { rest, entries: manifests.map(readEntry) };
  } catch {
    // Told below.
  }
  throw new StasisError('store.damaged', `The index of the store ${layout.root} cannot be read.`, {
    hint: 'Every blob may still be whole: bring index.json back from a copy of the store.',
    details: { finding: 'unreadable' },
  });
}

export async function writeIndex(layout: Layout, index: LayoutIndex): Promise<void> {
  const manifests = index.entries.map(({ raw }) => raw);
  await writeDurably(layout.indexFile, JSON.stringify({ ...index.rest, manifests }), layout.temporary);
}

export function emptyIndex(): LayoutIndex {
  return { rest: { schemaVersion: 2, mediaType: INDEX_TYPE }, entries: [] };
}

/** The two entries of a snapshot: its generation, and the name itself where it is the newest. */
export function entriesOf(snapshot: ListedSnapshot, isNewest: boolean): IndexEntry[] {
  const tags = [`${snapshot.name}_${snapshot.generation}`, ...(isNewest ? [snapshot.name] : [])];
  return tags.map((tag) =>
    readEntry({
      mediaType: MANIFEST_TYPE,
      artifactType: ARTIFACT_TYPE,
      digest: snapshot.digest,
      size: snapshot.sizeBytes,
      annotations: {
        [REF_NAME]: tag,
        [GENERATION]: String(snapshot.generation),
        [CUT_AT]: snapshot.cutAt,
      },
    }),
  );
}

/** The entry of what is attached to a snapshot: it has no name, and is found by what its manifest is attached to. */
export function attachmentEntryOf(
  { digest, sizeBytes }: Pick<ListedSnapshot, 'digest' | 'sizeBytes'>,
  artifactType: string,
): IndexEntry {
  return readEntry({ mediaType: MANIFEST_TYPE, artifactType, digest, size: sizeBytes });
}

/** The same entry under another reference name. */
export function renamed(entry: IndexEntry, tag: string): IndexEntry {
  const raw = entry.raw as { readonly annotations?: Readonly<Record<string, unknown>> };
  return readEntry({ ...raw, annotations: { ...raw.annotations, [REF_NAME]: tag } });
}

function readEntry(raw: unknown): IndexEntry {
  const entry = (typeof raw === 'object' && raw !== null ? raw : {}) as Record<string, unknown>;
  const annotations = (
    typeof entry.annotations === 'object' && entry.annotations !== null ? entry.annotations : {}
  ) as Record<string, unknown>;
  const { mediaType, digest, size, artifactType } = entry;
  const generation = text(annotations[GENERATION]);
  return {
    raw,
    mediaType: text(mediaType),
    artifactType: text(artifactType),
    digest: typeof digest === 'string' && isDigest(digest) ? digest : undefined,
    sizeBytes: typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 ? size : undefined,
    isOurs: artifactType === ARTIFACT_TYPE,
    ...readTag(text(annotations[REF_NAME])),
    generation: positive(generation),
    cutAt: text(annotations[CUT_AT]),
  };
}

function readTag(tag: string | undefined): Pick<IndexEntry, 'name' | 'tagGeneration'> {
  const [name = '', generation, ...more] = tag?.split('_') ?? [];
  if (!isName(name) || more.length > 0) return { name: undefined, tagGeneration: undefined };
  if (generation === undefined) return { name, tagGeneration: undefined };
  const number = positive(generation);
  return number === undefined
    ? { name: undefined, tagGeneration: undefined }
    : { name, tagGeneration: number };
}

function positive(digits: string | undefined): number | undefined {
  return digits !== undefined && /^[1-9][0-9]{0,8}$/.test(digits) ? Number(digits) : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
