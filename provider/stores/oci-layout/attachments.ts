import type { Digest } from '../../core/digest.ts';
import { StasisError } from '../../core/errors.ts';
import type { Attachment, AttachmentEntry, StoreFinding } from '../../core/store.ts';
import {
  type AttachmentBlobs,
  decodeAttachment,
  digestOf,
  EMPTY_CONFIG,
  encodeAttachment,
} from '../oci/attachment.ts';
import { MANIFEST_TYPE } from '../oci/manifest.ts';
import type { Sized } from '../pack/pack-writer.ts';
import { readBlob } from './blob-files.ts';
import { sizeOf, writeDurably } from './durable.ts';
import { attachmentEntryOf, type IndexEntry, type LayoutIndex, writeIndex } from './index-file.ts';
import type { Layout } from './layout.ts';
import { findingOf } from './verify-blobs.ts';

/** Its manifest is read by nobody before it is listed, and what is not listed is swept. Under the store's lock. */
export async function attach(
  layout: Layout,
  index: LayoutIndex,
  subject: Sized,
  attachment: Attachment,
): Promise<Digest> {
  const manifest = encodeAttachment(subject, attachment);
  const digest = digestOf(manifest);
  // One that is there already is replaced by the same content, which repairs it if it was damaged.
  for (const bytes of [EMPTY_CONFIG, attachment.content, manifest])
    await writeDurably(layout.blob(digestOf(bytes)), bytes, layout.temporary);
  if (index.entries.some((entry) => entry.digest === digest)) return digest;
  const entry = attachmentEntryOf({ digest, sizeBytes: manifest.length }, attachment.artifactType);
  await writeIndex(layout, { ...index, entries: [...index.entries, entry] });
  return digest;
}

/** One attachment as the index lists it. */
export interface ListedAttachment {
  readonly entry: IndexEntry;
  readonly digest: Digest;
  readonly blobs: AttachmentBlobs;
}

/** Those of the index that can be read; of one snapshot, or of all. */
export async function listAttachments(
  layout: Layout,
  index: LayoutIndex,
  subject?: Digest,
): Promise<ListedAttachment[]> {
  const found: ListedAttachment[] = [];
  for (const entry of index.entries) {
    const attached = await readEntryOf(layout, entry);
    if (
      attached !== undefined &&
      (subject ?? attached.blobs.subject.digest) === attached.blobs.subject.digest
    )
      found.push(attached);
  }
  return found;
}

/** Undefined of a snapshot, of what another tool keeps here, and of what cannot be read. */
export async function readEntryOf(layout: Layout, entry: IndexEntry): Promise<ListedAttachment | undefined> {
  const { digest, sizeBytes, isOurs, mediaType } = entry;
  if (isOurs || digest === undefined || sizeBytes === undefined || mediaType !== MANIFEST_TYPE)
    return undefined;
  try {
    const blobs = decodeAttachment(await readBlob(layout, { digest, sizeBytes }));
    return blobs && { entry, digest, blobs };
  } catch (error) {
    if (!(error instanceof StasisError)) throw error;
    return undefined;
  }
}

/** With its content, which is shown to be what its digest says. @throws StasisError `store.damaged` */
export async function openAttachment(
  layout: Layout,
  { digest, blobs }: ListedAttachment,
): Promise<AttachmentEntry> {
  const { artifactType, layer, createdAt, annotations } = blobs;
  const content = await readBlob(layout, layer);
  return { digest, artifactType, mediaType: layer.mediaType, createdAt, annotations, content };
}

/** The index without what is attached to snapshots that are in it no more, and the blobs that this had. */
export async function withoutForsaken(
  layout: Layout,
  index: LayoutIndex,
  removed: ReadonlySet<Digest>,
): Promise<{ readonly index: LayoutIndex; readonly forsaken: readonly Digest[] }> {
  const listed = new Set(index.entries.map(({ digest }) => digest));
  const gone = (await listAttachments(layout, index)).filter(
    ({ blobs: { subject } }) => removed.has(subject.digest) && !listed.has(subject.digest),
  );
  const entries = index.entries.filter((entry) => !gone.some((attached) => attached.entry === entry));
  const forsaken = gone.flatMap(({ digest, blobs }) => [digest, blobs.layer.digest, blobs.config.digest]);
  return { index: { ...index, entries }, forsaken };
}

/** What is wrong with an attachment: its manifest was hashed when it was read, and its entry is held against that. */
export async function verifyAttachment(
  layout: Layout,
  { entry, digest, blobs }: ListedAttachment,
  isOfOthers: boolean,
): Promise<StoreFinding[]> {
  const findings: StoreFinding[] = [];
  for (const blob of [blobs.config, blobs.layer]) {
    try {
      await readBlob(layout, blob);
    } catch (error) {
      if (!(error instanceof StasisError)) throw error;
      const { finding = 'unreadable' } = error.details as { finding?: StoreFinding['code'] };
      findings.push(findingOf(finding, blob.digest, error.message.replace(/\.$/, '')));
    }
  }
  const sizeBytes = (await sizeOf(layout.blob(digest))) ?? 0;
  const asWritten = JSON.stringify(attachmentEntryOf({ digest, sizeBytes }, blobs.artifactType).raw);
  const agrees = isOfOthers
    ? entry.sizeBytes === sizeBytes && [undefined, blobs.artifactType].includes(entry.artifactType)
    : JSON.stringify(entry.raw) === asWritten;
  if (!agrees)
    findings.push(findingOf('damaged', digest, `index.json says of ${digest} what its manifest does not`));
  return findings;
}
