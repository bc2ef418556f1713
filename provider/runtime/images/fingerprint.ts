import type { FingerprintEntry } from '../../core/fingerprint.ts';
import { digestOf } from '../../core/fingerprint-digest.ts';
import { credentialsOf, fingerprintAttributes } from './attributes.ts';
import { type DumpedFile, readFiles } from './files.ts';
import { fingerprintGhosts } from './ghosts.ts';
import { type Images, readEntries } from './image.ts';
import { type Area, fingerprintMemory, fingerprintShared, type OfFile } from './memory.ts';
import { fingerprintSegments } from './segments.ts';
import { type DumpedProcess, readTree } from './tree.ts';
import type { Message } from './wire.ts';

/**
 * What a tree of processes is: its processes, their threads with their registers, what they have open, and their
 * memory by mapping. Sorted. What is noise, README.md says.
 */
export async function fingerprintImages(
  images: Images,
  ofFile: OfFile = async () => new Set(),
): Promise<FingerprintEntry[]> {
  const files = await readFiles(images);
  const tree = await readTree(images);
  const shown = (id: number): string => files.get(id)?.shown ?? '';
  const entries = [
    ...(await fingerprintShared(images)),
    ...(await fingerprintSegments(images)),
    ...(await fingerprintGhosts(images)),
  ];
  for (const process of tree) {
    entries.push(...(await processEntries(images, process, shown)));
    entries.push(...(await openFiles(images, process, files)));
    if (images.names.includes(`mm-${process.pid}.img`))
      entries.push(
        ...(await fingerprintMemory(images, {
          ...{ pid: process.pid, fileOf: shown, ofFile },
          parent: tree.find(({ pid }) => pid === process.ppid)?.pid,
          kernelWrites: await kernelWrites(images, process),
        })),
      );
  }
  return entries.toSorted((a, b) => (a.object < b.object ? -1 : 1));
}

async function processEntries(
  images: Images,
  process: DumpedProcess,
  shown: (file: number) => string,
): Promise<FingerprintEntry[]> {
  const { pid, ppid, group, session, threads } = process;
  const cores = await Promise.all(threads.map((thread) => readEntries(images, `core-${thread}.img`)));
  const own = cores[threads.indexOf(pid)]![0]!;
  const main = own.message(3);
  const command = main?.text(6) ?? '';
  return [
    {
      object: `process/${pid}`,
      digest: digestOf(ppid, group, session, command, stateOf(main), threads.join()),
      facts: { command, threads: threads.length },
    },
    ...threads.map((thread, index) => {
      const [core] = cores[index]!;
      const more = core === own ? [] : [credentialsOf(core!)];
      return { object: `process/${pid}/thread/${thread}`, digest: digestOf(...threadParts(core!), ...more) };
    }),
    ...(await fingerprintAttributes(images, { pid, core: own, shown })),
  ];
}

/** Whether it has ended and how, and its execution domain. */
function stateOf(task: Message | undefined): string {
  return [1, 2, 3].map((field) => task?.number(field) ?? 0).join();
}

/** Of the registers all but what the kernel keeps for restarting a call that the dump interrupted (orig_ax). */
const GENERAL_REGISTERS = [...Array(15).keys()].map((index) => index + 1).concat([17, 18, 20, 21, 22, 23]);

const RSEQ = 15;
const THREAD_NAME = 13;

function threadParts(core: Message): (bigint | number | string)[] {
  const registers = core.message(2)?.message(2);
  const thread = core.message(5);
  return [
    ...(registers ? GENERAL_REGISTERS.map((field) => registers.big(field)) : []),
    // Which signals it holds back: CRIU has those of a first thread elsewhere.
    core.message(3)?.big(5) ?? thread?.big(6) ?? 0n,
    thread?.number(4) ?? 0,
    thread?.number(3) ?? 0,
    thread?.text(THREAD_NAME) ?? '',
    ...(registers ? floatingPoint(core.message(2)?.message(3)) : []),
    // Priority, the signal of a parent's death, whether system calls are filtered, and the stack for signals.
    ...[5, 8, 11].map((field) => thread?.number(field) ?? 0),
    ...[1, 2].map((field) => thread?.message(7)?.big(field) ?? 0n),
  ];
}

/** Control words, and the registers themselves. Where the last operation and its operand were is no part of a result. */
function floatingPoint(registers: Message | undefined): (number | string)[] {
  if (registers === undefined) return [];
  return [
    ...[1, 7].map((field) => registers.number(field)),
    ...[9, 10].map((field) => registers.numbers(field).join()),
    registers.message(13)?.numbers(2).join() ?? '',
  ];
}

/**
 * On which processor a thread ran last, which the kernel writes into an area that the thread has told it of: of struct
 * rseq the fields cpu_id_start and cpu_id (bytes 0 to 7), and node_id and mm_cid (20 to 27).
 */
async function kernelWrites(images: Images, { threads }: DumpedProcess): Promise<Area[]> {
  const cores = await Promise.all(threads.map((thread) => readEntries(images, `core-${thread}.img`)));
  return cores.flatMap(([core]) => {
    const area = core?.message(5)?.message(RSEQ);
    if (area === undefined) return [];
    const [address, sizeBytes] = [area.big(1), area.number(2)];
    const second = { address: address + 20n, sizeBytes: Math.min(8, sizeBytes - 20) };
    return [{ address, sizeBytes: 8 }, ...(second.sizeBytes > 0 ? [second] : [])];
  });
}

async function openFiles(
  images: Images,
  { pid }: DumpedProcess,
  files: ReadonlyMap<number, DumpedFile>,
): Promise<FingerprintEntry[]> {
  const [ids] = images.names.includes(`ids-${pid}.img`) ? await readEntries(images, `ids-${pid}.img`) : [];
  const name = `fdinfo-${ids?.number(2) ?? 0}.img`;
  if (!images.names.includes(name)) return [];
  return (await readEntries(images, name)).map((descriptor) => {
    const file = files.get(descriptor.number(1));
    return {
      object: `process/${pid}/open/${descriptor.number(4)}`,
      digest: digestOf(file?.digest, descriptor.number(2)),
      facts: { kind: file?.kind ?? 'unknown', is: file?.shown ?? '' },
    };
  });
}

/** Every socket of the dump that knows a peer, and every one that listens. */
export async function readSockets(images: Images): Promise<readonly NonNullable<DumpedFile['socket']>[]> {
  return [...(await readFiles(images)).values()].flatMap(({ socket }) => (socket ? [socket] : []));
}
