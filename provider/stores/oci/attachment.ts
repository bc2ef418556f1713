import { hash } from 'node:crypto';
import type { Digest } from '../../core/digest.ts';
import type { Attachment } from '../../core/store.ts';
import type { Sized } from '../pack/pack-writer.ts';
import { type Descriptor, MANIFEST_TYPE, readDescriptor } from './manifest.ts';

/**
 * What is attached to a snapshot is an OCI artifact of its own whose `subject` is the snapshot's manifest: a referrer
 * (image-spec 1.1, "Guidelines for Artifact Usage"; distribution-spec, "Listing Referrers"). It has one layer, the
 * content, and the empty config that the specification asks for.
 */
const EMPTY_TYPE = 'application/vnd.oci.empty.v1+json';
export const EMPTY_CONFIG = Buffer.from('{}');

const CREATED = 'org.opencontainers.image.created';

export interface AttachmentBlobs {
  readonly subject: Sized;
  readonly artifactType: string;
  readonly config: Sized;
  readonly layer: Sized & { readonly mediaType: string };
  readonly createdAt: string;
  readonly annotations: Readonly<Record<string, string>>;
}

export function encodeAttachment(subject: Sized, attachment: Attachment): Buffer {
  const { artifactType, mediaType, content, createdAt } = attachment;
  const described = (type: string, bytes: Uint8Array): Descriptor => ({
    mediaType: type,
    digest: digestOf(bytes),
    size: bytes.length,
  });
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      artifactType,
      config: described(EMPTY_TYPE, EMPTY_CONFIG),
      layers: [described(mediaType, content)],
      subject: { mediaType: MANIFEST_TYPE, digest: subject.digest, size: subject.sizeBytes },
      annotations: { ...attachment.annotations, [CREATED]: createdAt },
    }),
  );
}

/** What an attachment consists of, out of its manifest's bytes; undefined of a manifest that is none of one layer. */
export function decodeAttachment(bytes: Uint8Array): AttachmentBlobs | undefined {
  try {
    const manifest = JSON.parse(Buffer.from(bytes).toString('utf8')) as Record<string, unknown>;
    const { artifactType, layers, subject, annotations } = manifest;
    if (typeof artifactType !== 'string' || !Array.isArray(layers) || layers.length !== 1) return undefined;
    if (subject === undefined || subject === null) return undefined;
    const layer = readDescriptor(layers[0]);
    const { [CREATED]: createdAt = '', ...others } = (annotations ?? {}) as Record<string, string>;
    return {
      subject: sized(readDescriptor(subject)),
      artifactType,
      config: sized(readDescriptor(manifest.config)),
      layer: { ...sized(layer), mediaType: layer.mediaType },
      createdAt,
      annotations: others,
    };
  } catch {
    return undefined;
  }
}

export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${hash('sha256', bytes, 'hex')}`;
}

function sized({ digest, size }: Descriptor): Sized {
  return { digest, sizeBytes: size };
}
