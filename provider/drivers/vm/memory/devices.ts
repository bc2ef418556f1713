import { StasisError } from '../../../core/errors.ts';

/**
 * The state of the devices at the end of a migration stream: full sections without a length, the end, and a description
 * as JSON, which names the sections in their order (migration/savevm.c, scripts/analyze-migration.py of QEMU).
 */
const SECTION_FULL = 0x04;
const END = 0x00;
const DESCRIPTION = 0x06;
const FOOTER = 0x7e;

export interface Device {
  readonly name: string;
  readonly instance: number;
  readonly state: Buffer;
}

interface Described {
  readonly name: string;
  readonly instance_id: number;
}

/** @throws StasisError `vm.memory-unreadable` */
export function parseDevices(tail: Buffer, footers: boolean): Device[] {
  const end = descriptionAt(tail);
  const { devices } = JSON.parse(tail.toString('utf8', end + 6)) as { devices: readonly Described[] };
  const listed = devices.filter(({ name }) => name !== 'ram');
  const found: Device[] = [];
  let from = headerAt(tail, 0, listed[0], 0);
  for (const [index, { name, instance_id: instance }] of listed.entries()) {
    const next = listed[index + 1];
    const stop = next === undefined ? end : headerAt(tail, from.end, next, footers ? from.id : undefined);
    const at = typeof stop === 'number' ? stop : stop.start;
    found.push({ name, instance, state: tail.subarray(from.end, at - (footers ? 5 : 0)) });
    if (typeof stop !== 'number') from = stop;
  }
  return found;
}

interface Header {
  readonly start: number;
  readonly end: number;
  readonly id: number;
}

/** Where the next section of this name begins, right behind the footer of the one before. */
function headerAt(
  tail: Buffer,
  from: number,
  wanted: Described | undefined,
  before: number | undefined,
): Header {
  if (wanted === undefined) throw unreadable('it has no devices');
  const name = Buffer.from(wanted.name, 'latin1');
  const pattern = Buffer.concat([Buffer.of(name.length), name, number(wanted.instance_id)]);
  for (let at = from; ; ) {
    const hit = tail.indexOf(pattern, at);
    if (hit < 0) throw unreadable(`the state of ${wanted.name} is missing`);
    const start = hit - 5;
    const behindFooter =
      from === 0 ||
      before === undefined ||
      (tail[start - 5] === FOOTER && tail.readUInt32BE(start - 4) === before);
    if (start >= from && tail[start] === SECTION_FULL && behindFooter)
      return { start, end: hit + pattern.length + 4, id: tail.readUInt32BE(start + 1) };
    at = hit + 1;
  }
}

/** Of the byte that ends the sections. */
function descriptionAt(tail: Buffer): number {
  for (let at = tail.length - 7; at >= 0; at -= 1)
    if (
      tail[at] === END &&
      tail[at + 1] === DESCRIPTION &&
      tail.readUInt32BE(at + 2) === tail.length - at - 6
    )
      return at;
  throw unreadable('it does not describe its devices');
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function unreadable(why: string): StasisError {
  return new StasisError('vm.memory-unreadable', `The saved state of the devices cannot be read: ${why}.`);
}
