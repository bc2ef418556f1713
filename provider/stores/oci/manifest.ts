import { type Digest, isDigest } from '../../core/digest.ts';
import { StasisError } from '../../core/errors.ts';
import type { PackInfo, Sized } from '../pack/pack-writer.ts';

/**
 * One snapshot as one OCI artifact manifest: config, then a map for each member, then packs. One manifest, as tools
 * rewrite an index of several when they copy it; and no `+zstd` on media types, as skopeo then adds annotations and
 * the digest changes.
 */
export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
export const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';
export const ARTIFACT_TYPE = 'application/vnd.stasis.snapshot.v1';
const CONFIG_TYPE = 'application/vnd.stasis.snapshot.config.v1+json';
const MAP_TYPE = 'application/vnd.stasis.map.v1';
const PACK_TYPE = 'application/vnd.stasis.pack.v1';
const OURS = /^application\/vnd\.stasis\./;

const MEMBER = 'dev.stasis.member';
const TOC_DIGEST = 'dev.stasis.toc.digest';
const TOC_SIZE = 'dev.stasis.toc.size';
const CREATED = 'org.opencontainers.image.created';

/** What registries accept at least (distribution-spec, "Pushing Manifests"). */
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface MemberMapBlob extends Sized {
  readonly member: string;
}

/** The blobs that one snapshot is made of. */
export interface SnapshotBlobs {
  readonly config: Sized;
  readonly maps: readonly MemberMapBlob[];
  readonly packs: readonly PackInfo[];
}

/** @throws StasisError `store.too-many-blobs` */
export function encodeSnapshot(blobs: SnapshotBlobs, createdAt: string): Buffer {
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      artifactType: ARTIFACT_TYPE,
      config: descriptor(CONFIG_TYPE, blobs.config),
      layers: [
        ...blobs.maps.map((map) => descriptor(MAP_TYPE, map, { [MEMBER]: map.member })),
        ...blobs.packs.map((pack) =>
          descriptor(PACK_TYPE, pack, {
            [TOC_DIGEST]: pack.toc.digest,
            [TOC_SIZE]: String(pack.toc.sizeBytes),
          }),
        ),
      ],
      annotations: { [CREATED]: createdAt },
    }),
  );
  if (bytes.length <= MAX_MANIFEST_BYTES) return bytes;
  throw new StasisError(
    'store.too-many-blobs',
    `The snapshot's manifest would have ${bytes.length} bytes; registries accept ${MAX_MANIFEST_BYTES}.`,
    { hint: 'Split the application into several snapshots.' },
  );
}

/**
 * The blobs of a snapshot, out of its manifest's bytes.
 * @throws StasisError `store.damaged`, `store.newer-format`, `store.foreign` when it is a manifest of something else
 */
export function decodeSnapshot(bytes: Buffer): SnapshotBlobs {
  const manifest = parseJson(bytes);
  const config = readDescriptor(manifest.config);
  const layers = Array.isArray(manifest.layers) ? manifest.layers.map(readDescriptor) : [];
  if (!OURS.test(config.mediaType))
    throw new StasisError('store.foreign', 'The manifest is not one of a Stasis snapshot.');
  for (const { mediaType } of [config, ...layers]) refuseNewer(mediaType);
  return {
    config: sized(config),
    maps: layers.filter(({ mediaType }) => mediaType === MAP_TYPE).map(readMap),
    packs: layers.filter(({ mediaType }) => mediaType === PACK_TYPE).map(readPack),
  };
}

/** Every blob that any OCI manifest or index needs, ours or foreign, with its own type; for finding what is garbage. */
export function referencesOf(bytes: Buffer): readonly Descriptor[] {
  const manifest = parseJson(bytes);
  const lists = [manifest.layers, manifest.manifests, manifest.blobs];
  const single = [manifest.config, manifest.subject].filter((value) => value !== undefined && value !== null);
  return [...single, ...lists.flatMap((list) => (Array.isArray(list) ? list : []))].map(readDescriptor);
}

/** Whether a descriptor leads on to others. */
export function isManifestType(mediaType: string): boolean {
  return /\.(?:manifest|index|manifest\.list)\.v\d+\+json$/.test(mediaType);
}

function descriptor(mediaType: string, blob: Sized, annotations?: Record<string, string>): Descriptor {
  return { mediaType, digest: blob.digest, size: blob.sizeBytes, annotations };
}

function sized({ digest, size }: Descriptor): Sized {
  return { digest, sizeBytes: size };
}

/** @throws StasisError `store.damaged` */
export function readDescriptor(value: unknown): Descriptor {
  const { mediaType, digest, size, annotations } = (value ?? {}) as Record<string, unknown>;
  if (typeof mediaType !== 'string' || typeof digest !== 'string' || !isDigest(digest)) throw malformed();
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw malformed();
  return { mediaType, digest, size, annotations: (annotations ?? {}) as Record<string, string> };
}

function readMap(map: Descriptor): MemberMapBlob {
  const member = map.annotations?.[MEMBER];
  if (typeof member !== 'string') throw malformed();
  return { ...sized(map), member };
}

function readPack(pack: Descriptor): PackInfo {
  const digest = pack.annotations?.[TOC_DIGEST];
  const sizeBytes = Number(pack.annotations?.[TOC_SIZE]);
  if (typeof digest !== 'string' || !isDigest(digest)) throw malformed();
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0 || sizeBytes > pack.size) throw malformed();
  return { ...sized(pack), toc: { digest, sizeBytes } };
}

function parseJson(bytes: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Told below, like every other malformed manifest.
  }
  throw malformed();
}

function refuseNewer(mediaType: string): void {
  if ([CONFIG_TYPE, MAP_TYPE, PACK_TYPE].includes(mediaType)) return;
  throw new StasisError(
    'store.newer-format',
    `The snapshot has a part of type ${mediaType}, which this Stasis does not know.`,
    { hint: 'Use the version of Stasis that wrote it, or a newer one.' },
  );
}

function malformed(): StasisError {
  return new StasisError('store.damaged', 'A manifest is malformed.');
}
