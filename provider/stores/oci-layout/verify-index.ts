/**
 * What is wrong with the two files that make a folder an OCI image layout. They are no blobs, so no digest covers them:
 * each of their bytes is held against what the snapshot's own manifest says.
 */
import { readFile } from 'node:fs/promises';
import type { Digest } from '../../core/digest.ts';
import { StasisError } from '../../core/errors.ts';
import type { Manifest } from '../../core/manifest.ts';
import type { StoreFinding } from '../../core/store.ts';
import { ARTIFACT_TYPE, INDEX_TYPE, MANIFEST_TYPE } from '../oci/manifest.ts';
import { isCode, sizeOf } from './durable.ts';
import {
  entriesOf,
  type IndexEntry,
  type LayoutIndex,
  type ListedSnapshot,
  readIndex,
} from './index-file.ts';
import type { Layout } from './layout.ts';
import { findingOf } from './verify-blobs.ts';

/** The fields of an index, as the OCI image specification has them. */
const INDEX_FIELDS = ['schemaVersion', 'mediaType', 'artifactType', 'subject', 'annotations'];
/**
 * The fields of a descriptor, in the order in which tools in Go write them (image-spec, `specs-go/v1/descriptor.go`).
 * Ours come in another order, so an entry tells who has written it.
 */
const FIELDS_OF_OTHERS = [
  ...['mediaType', 'digest', 'size', 'urls', 'annotations', 'data', 'platform', 'artifactType'],
];

/** @returns one finding about the file oci-layout, or none */
export async function verifyVersionFile(layout: Layout, digest?: Digest): Promise<StoreFinding[]> {
  try {
    const version = JSON.parse(await readFile(layout.versionFile, 'utf8')) as Record<string, unknown>;
    if (version.imageLayoutVersion === '1.0.0') return [];
  } catch (error) {
    if (isCode(error, 'ENOENT'))
      return [findingOf('missing', digest, `the file oci-layout is missing from ${layout.root}`)];
    if (isCode(error, 'EIO', 'EACCES')) throw error;
  }
  return [
    findingOf('unreadable', digest, `the file oci-layout of ${layout.root} is not one of version 1.0.0`),
  ];
}

/** The index, where it can be read, and what is wrong with it beside its entries. */
export async function verifyIndexFile(
  layout: Layout,
  digest?: Digest,
): Promise<{ readonly index?: LayoutIndex; readonly findings: StoreFinding[] }> {
  try {
    const index = await readIndex(layout);
    if (index === undefined)
      return { findings: [findingOf('missing', digest, `index.json is missing from ${layout.root}`)] };
    const { mediaType } = index.rest;
    const isAsSpecified =
      Object.keys(index.rest).every((key) => INDEX_FIELDS.includes(key)) &&
      (mediaType === undefined || mediaType === INDEX_TYPE);
    const findings = isAsSpecified ? [] : [findingOf('damaged', digest, 'index.json is no OCI image index')];
    return { index, findings };
  } catch (error) {
    if (!(error instanceof StasisError)) throw error;
    return { findings: [findingOf('unreadable', digest, 'index.json cannot be read')] };
  }
}

/** The snapshot whose entry it is, and its manifest where that could be read. */
export interface Described {
  readonly sizeBytes: number;
  readonly manifest: Manifest;
}

/**
 * Whether an entry is as it was written. Of a snapshot whose manifest is not at hand it is held against itself, and
 * against the blob that it leads to.
 */
export async function verifyEntry(
  layout: Layout,
  entry: IndexEntry,
  described: Described | undefined,
): Promise<StoreFinding[]> {
  const { digest, sizeBytes } = entry;
  if (digest === undefined || sizeBytes === undefined || entry.mediaType === undefined)
    return [findingOf('unreadable', digest, 'index.json has an entry that cannot be read')];
  const foundBytes = described?.sizeBytes ?? (await sizeOf(layout.blob(digest)));
  if (isOfOthers(entry)) {
    if (described === undefined) return [];
    return saysTheSame(entry, described) ? [] : [disagreeing(digest)];
  }
  if (foundBytes === undefined)
    return [findingOf('missing', digest, `index.json lists ${digest}, which is not there`)];
  const { name = '', tagGeneration, generation = 0, cutAt = '' } = entry;
  const itself = { name, generation: tagGeneration ?? generation, cutAt };
  const expected: ListedSnapshot = { ...(described?.manifest ?? itself), digest, sizeBytes: foundBytes };
  return isWrittenAs(entry, expected) ? [] : [disagreeing(digest)];
}

/** Tools that copy snapshots write the whole index anew, and leave out or rename what they like. */
export function isOfOthers({ raw }: IndexEntry): boolean {
  const keys = Object.keys(raw as object);
  const places = keys.map((key) => FIELDS_OF_OTHERS.indexOf(key));
  return places.every((place, index) => place > (places[index - 1] ?? -1));
}

function saysTheSame(entry: IndexEntry, { sizeBytes, manifest }: Described): boolean {
  return (
    entry.sizeBytes === sizeBytes &&
    entry.mediaType === MANIFEST_TYPE &&
    [undefined, ARTIFACT_TYPE].includes(entry.artifactType) &&
    (entry.generation ?? manifest.generation) === manifest.generation &&
    (entry.cutAt ?? manifest.cutAt) === manifest.cutAt
  );
}

/** To the byte: the order of fields is that of the text. */
function isWrittenAs(
  { raw }: IndexEntry,
  { name, generation, digest, sizeBytes, cutAt }: ListedSnapshot,
): boolean {
  const written = JSON.stringify(raw);
  const known = { name, generation, digest, sizeBytes, cutAt };
  return entriesOf(known, true).some((entry) => JSON.stringify(entry.raw) === written);
}

function disagreeing(digest: Digest): StoreFinding {
  return findingOf('damaged', digest, `index.json says of ${digest} what its manifest does not`);
}
