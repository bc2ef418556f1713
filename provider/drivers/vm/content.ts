import { z } from 'zod';
import { type BlobDigest, isBlobDigest } from '../../core/blob-digest.ts';
import { StasisError } from '../../core/errors.ts';
import type { MemberCapture } from '../../core/manifest.ts';

export const CONTENT_VERSION = 1;

const digest = z.custom<BlobDigest>(isBlobDigest);
const blob = z.strictObject({ digest, sizeBytes: z.number() });

/** One disk. Its content lies in blobs of `REGION_BYTES`, which `map` lists: a map of JSON as in disks/map.ts. */
const diskSchema = z.strictObject({
  /** As the machine knows it: the drive's id, or the device's place. */
  name: z.string(),
  format: z.string(),
  sizeBytes: z.number(),
  /** The name of its file in the folder of a restored VM. */
  file: z.string(),
  readOnly: z.boolean(),
  map: blob,
});

/** All of the memory that is no zeros, page by page, and what stands around it in a migration stream. */
const memorySchema = z.strictObject({
  pages: blob,
  /** Which pages these are, and what is before and after them: JSON as in memory/store.ts. */
  frame: blob,
  /** The state of the devices, as QEMU wrote it. */
  devices: blob,
});

const machineSchema = z.strictObject({
  type: z.string(),
  cpuType: z.string(),
  cpus: z.number(),
  memoryBytes: z.number(),
  accelerator: z.enum(['kvm', 'tcg', 'other']),
  version: z.string(),
});
export type Machine = z.infer<typeof machineSchema>;

/** What a restore needs to know; in a manifest. */
const contentSchema = z.strictObject({
  machine: machineSchema,
  disks: z.array(diskSchema),
  memory: memorySchema.optional(),
  /** How the machine is made: QEMU's command line, or libvirt's XML; paths stand for names in the target's folder. */
  made: z.union([z.strictObject({ argv: z.array(z.string()) }), z.strictObject({ xml: z.string() })]),
  /** Files that QEMU only reads: kernel, initrd, firmware. */
  files: z.array(blob.extend({ file: z.string() })),
  /** Network devices of the host that the machine is connected to. */
  bridges: z.array(z.string()),
});
export type VmContent = z.infer<typeof contentSchema>;
export type DiskContent = VmContent['disks'][number];
export type MemoryContent = NonNullable<VmContent['memory']>;

/** @throws StasisError `vm.newer-content`, `vm.malformed-content` */
export function readContent(from: MemberCapture): VmContent {
  if (from.contentVersion > CONTENT_VERSION)
    throw new StasisError('vm.newer-content', 'The capture was made by a newer version of Stasis.', {
      hint: 'Upgrade Stasis.',
    });
  const parsed = contentSchema.safeParse(from.content);
  if (parsed.success) return parsed.data;
  throw new StasisError('vm.malformed-content', 'The capture of the VM cannot be read.', {
    details: { issues: parsed.error.issues.length },
  });
}
