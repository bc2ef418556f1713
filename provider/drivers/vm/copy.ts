import type { BlobDigest } from '../../core/blob-digest.ts';
import { putJson } from '../../core/blobs.ts';
import type { FingerprintEntry } from '../../core/fingerprint.ts';
import { digestOf } from '../../core/fingerprint-digest.ts';
import type { Capture } from '../../core/manifest.ts';
import type { BlobReader, Blobs } from '../../core/store.ts';
import { formatBytes } from '../../core/units.ts';
import { readHostFile } from '../../runtime/machine.ts';
import type { GuestFreeze } from './agent/freeze.ts';
import { CONTENT_VERSION, type Machine, type VmContent } from './content.ts';
import { type DiskMap, entriesOf, REGION_BYTES, readMap } from './disks/map.ts';
import { copyDisk, type Earlier, surveyDisk, wholeRegions } from './disks/regions.ts';
import type { Disk } from './facts.ts';
import { fingerprintFiles } from './files.ts';
import { fingerprintStored, fingerprintStream, storeMemory } from './memory/store.ts';
import { mapOfRecording } from './names.ts';
import type { Range } from './nbd/client.ts';
import { outsideOf } from './obstacles.ts';
import { type Made, systemOf } from './plan.ts';
import type { Rig } from './rig.ts';
import { withMemory } from './spec.ts';

/** Of a bitmap's context: the range was written. */
const DIRTY = 1;

export interface Copied {
  readonly capture: Omit<Capture, 'epoch'>;
  readonly content: VmContent;
  /** Of each disk that was copied whole or by what was written: its map. */
  readonly maps: ReadonlyMap<string, BlobDigest>;
  /** What was read of each disk; all of it where undefined. */
  readonly read: ReadonlyMap<string, readonly Range[] | undefined>;
}

/** Streams disks, memory and the files that the machine needs into the store. */
export async function copyCapture(rig: Rig, blobs: Blobs, signal: AbortSignal): Promise<Copied> {
  const { facts, made, host, spec, save, memoryFile, context } = rig;
  await rig.disks.export(signal);
  const disks: VmContent['disks'] = [];
  const read = new Map<string, readonly Range[] | undefined>();
  let sizeBytes = 0;
  for (const disk of facts.disks) {
    const earlier = await earlierOf(rig, disk, blobs, signal);
    await using client = await rig.disks.open(disk, false, signal);
    const { map, readBytes } = await copyDisk(client, earlier, blobs, signal);
    read.set(disk.name, earlier?.dirty);
    const { name, format, readOnly } = disk;
    context.logger.log('info', 'a disk was copied', { disk: name, readBytes, whole: earlier === undefined });
    sizeBytes += disk.sizeBytes;
    const file = made.disks.get(disk.path) ?? made.files.get(disk.path) ?? disk.name;
    disks.push({ name, format, readOnly, file, sizeBytes: disk.sizeBytes, map: await putJson(blobs, map) });
  }
  const files: VmContent['files'] = [];
  for (const [path, file] of made.files)
    files.push({ file, ...(await blobs.put(readHostFile(host, path, signal), { chunking: 'content' })) });
  const content: VmContent = {
    ...{ machine: facts.machine, disks, files, made: keptOf(made), bridges: bridgesOf(made) },
  };
  if (withMemory(spec)) {
    await save.end(signal);
    const stored = await storeMemory(readHostFile(host, memoryFile, signal), blobs);
    content.memory = stored.content;
    sizeBytes += stored.sizeBytes;
  }
  return { capture: captureOf(rig, content, sizeBytes), content, maps: mapsOf(content), read };
}

/** Where QEMU has recorded what was written since a capture that this store has. */
async function earlierOf(
  { disks, undo }: Rig,
  disk: Disk,
  blobs: Blobs,
  signal: AbortSignal,
): Promise<Earlier | undefined> {
  const recording = undo.names.recordingOf(disk);
  const digest = recording && mapOfRecording(recording.name);
  if (disk.readOnly || digest === undefined || blobs.keep === undefined) return undefined;
  if ((await blobs.keep(digest)) === undefined) return undefined;
  const map = await readMap(blobs, digest);
  for (const [, region] of map.regions) if ((await blobs.keep(region)) === undefined) return undefined;
  await using client = await disks.open(disk, true, signal);
  const dirty: Range[] = [];
  for await (const range of client.marked(DIRTY, signal)) dirty.push(range);
  return { map, dirty };
}

/**
 * Disks by a reading of their own, of what was read for the copy; what QEMU says was not written is as it was captured
 * before. Memory as it lies in the store.
 */
export async function fingerprintCapture(
  rig: Rig,
  { content, read }: Copied,
  blobs: BlobReader,
  signal: AbortSignal,
): Promise<FingerprintEntry[]> {
  const entries: FingerprintEntry[] = [machineEntry(content.machine)];
  entries.push(...(await fingerprintFiles(rig.made.files, rig.host, signal)));
  for (const disk of rig.facts.disks) {
    const { map: stored } = content.disks.find(({ name }) => name === disk.name)!;
    const ranges = read.get(disk.name);
    await using client = await rig.disks.open(disk, false, signal);
    const touched = ranges && wholeRegions(ranges, disk.sizeBytes);
    const seen = await surveyDisk(client, touched, signal);
    const map = touched ? joined(await readMap(blobs, stored.digest), touched, seen) : seen;
    entries.push(...entriesOf(disk.name, map, disk.sizeBytes));
  }
  if (content.memory) entries.push(...(await fingerprintStored(content.memory, blobs)));
  return sorted(entries);
}

/** Of a VM that was only looked at: from where it was saved, past any store. */
export async function fingerprintLook(rig: Rig, signal: AbortSignal): Promise<FingerprintEntry[]> {
  const { facts, host, save, spec, memoryFile } = rig;
  await rig.disks.export(signal);
  const entries: FingerprintEntry[] = [machineEntry(facts.machine)];
  entries.push(...(await fingerprintFiles(rig.made.files, host, signal)));
  for (const disk of facts.disks) {
    await using client = await rig.disks.open(disk, false, signal);
    entries.push(...entriesOf(disk.name, await surveyDisk(client, undefined, signal), disk.sizeBytes));
  }
  if (withMemory(spec)) {
    await save.end(signal);
    entries.push(...(await fingerprintStream(readHostFile(host, memoryFile, signal))));
  }
  return sorted(entries);
}

function joined(stored: DiskMap, touched: readonly Range[], seen: DiskMap): DiskMap {
  const offsets = new Set(touched.map(({ offset }) => offset));
  const untouched = stored.regions.filter(([region]) => !offsets.has(region * REGION_BYTES));
  return { regions: [...untouched, ...seen.regions].toSorted(([a], [b]) => a - b) };
}

export function machineEntry(machine: Machine): FingerprintEntry {
  const { type, cpuType, cpus, memoryBytes } = machine;
  return { object: 'machine', digest: digestOf(type, cpuType, cpus, memoryBytes), facts: { type, cpus } };
}

export function sorted(entries: readonly FingerprintEntry[]): FingerprintEntry[] {
  return entries.toSorted((a, b) => (a.object < b.object ? -1 : 1));
}

function mapsOf({ disks }: VmContent): Map<string, BlobDigest> {
  return new Map(disks.filter(({ readOnly }) => !readOnly).map(({ name, map }) => [name, map.digest]));
}

function keptOf(made: Made): VmContent['made'] {
  return made.kind === 'domain' ? { xml: made.xml } : { argv: [...made.argv] };
}

function frozenOf({ count }: GuestFreeze): string {
  if (count === 0) return '';
  return `, ${count} file ${count === 1 ? 'system' : 'systems'} frozen`;
}

/** Network devices of the host that the machine is plugged into, by name. */
function bridgesOf(made: Made): string[] {
  const text = made.kind === 'domain' ? made.xml : made.argv.join('\n');
  const found = text.matchAll(made.kind === 'domain' ? /<source bridge=['"]([^'"]+)/g : /\bbr=([^,\s]+)/g);
  return [...new Set([...found].map(([, name = '']) => name))];
}

function captureOf(
  { facts, spec, guest }: Rig,
  content: VmContent,
  sizeBytes: number,
): Omit<Capture, 'epoch'> {
  const memory = content.memory ? `, ${formatBytes(facts.machine.memoryBytes)} of memory` : '';
  const count = `${content.disks.length} ${content.disks.length === 1 ? 'disk' : 'disks'}`;
  return {
    contentVersion: CONTENT_VERSION,
    content,
    sizeBytes,
    summary: `${count}${memory}${frozenOf(guest)}`,
    coverage: {
      layers: content.memory ? ['compute', 'runtime', 'data'] : ['compute', 'data'],
      outside: outsideOf(spec, facts, guest.fileSystems),
    },
    system: systemOf(facts),
  };
}
