import { randomBytes } from 'node:crypto';
import type { BlobDigest } from '../../core/blob-digest.ts';
import type { Bitmap, Disk } from './facts.ts';

/** Recordings of what was written since a capture begin like that; the rest is the digest of that capture's map. */
const RECORDING = 'stasis-from-';
/** Of QEMU's objects; a node's name may have 31 letters. */
const PREFIX = 'stasis-';

/** What one capture calls its objects in QEMU, so that whoever cleans up after it finds the same. */
export interface Names {
  /** In the names of all of them, and of nobody else's. */
  readonly token: string;
  readonly bitmap: string;
  node(index: number): string;
  job(index: number): string;
  file(index: number): string;
  socket(folder: string): string;
  /** The bitmap that tells what was written since an earlier capture, where one can be trusted. */
  recordingOf(disk: Disk): Bitmap | undefined;
}

export function newNames(): Names {
  const token = `${PREFIX}${randomBytes(4).toString('hex')}`;
  return {
    token,
    bitmap: `${token}-cut`,
    node: (index) => `${token}-s${index}`,
    job: (index) => `${token}-j${index}`,
    file: (index) => `scratch-${index}.qcow2`,
    socket: (folder) => `${folder}/nbd.sock`,
    recordingOf: trusted,
  };
}

export function exportName({ token }: Names, index: number): string {
  return `${token}-e${index}`;
}

/** One that does not record (a capture died) has missed what was written since. */
function trusted({ bitmaps }: Disk): Bitmap | undefined {
  const found = bitmaps.filter(({ name }) => name.startsWith(RECORDING));
  const [only] = found;
  return found.length === 1 && only!.recording && !only!.busy ? only : undefined;
}

export function recordingName(map: BlobDigest): string {
  return `${RECORDING}${map.split(':')[1]}`;
}

/** The digest of the map that a recording goes on from. */
export function mapOfRecording(name: string): BlobDigest | undefined {
  const hex = name.slice(RECORDING.length);
  return /^[0-9a-f]{64}$/.test(hex) ? `sha256-64k:${hex}` : undefined;
}

/** Recordings that cannot be trusted, and what captures that died have left. */
export function staleBitmaps(disk: Disk): Bitmap[] {
  const keep = trusted(disk);
  return disk.bitmaps.filter((bitmap) => bitmap.name.startsWith(PREFIX) && bitmap !== keep && !bitmap.busy);
}
