import { accessSync, constants } from 'node:fs';
import type { Context } from '../../core/context.ts';
import type { CapturePlan } from '../../core/driver.ts';
import { StasisError, throwIfAborted, toStasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import { findAttributeTools } from './attributes.ts';
import { inodeOf } from './entry.ts';
import { sharedMappings } from './mappings.ts';
import { outsideOf } from './outside.ts';
import { identitiesOf, insistOnLocal, locate } from './place.ts';
import { nameSome, unreadable } from './reader.ts';
import { absolute, type Scan, scanTree } from './scan.ts';
import { excluder } from './selection.ts';
import type { FilesSpec } from './spec.ts';
import { isCode } from './system-calls.ts';

const NOTHING: Omit<CapturePlan, 'problems'> = {
  identities: [],
  folders: [],
  sizeBytes: 0,
  pauseMs: 0,
  outside: [],
  system: {},
};

/** Looks at all entries once, without reading any content. */
export async function planFiles(spec: FilesSpec, host: Host, context: Context): Promise<CapturePlan> {
  const remote = insistOnLocal(host);
  if (remote.length > 0) return { ...NOTHING, problems: remote };
  try {
    const realPath = await locate(spec);
    const root = Buffer.from(realPath);
    const scan = await scanTree(root, excluder(spec.exclude), context.signal);
    const tools = await findAttributeTools(host);
    const mappings = sharedMappings(scan.entries);
    const files = new Map(scan.entries.map((entry) => [inodeOf(entry), entry.sizeBytes]));
    return {
      problems: [
        ...rights(root, scan),
        ...doubts(scan, mappings.mapped),
        ...(tools === undefined ? [unreadAttributes()] : []),
      ],
      identities: identitiesOf(realPath),
      folders: [realPath],
      sizeBytes: [...files.values()].reduce((sum, sizeBytes) => sum + sizeBytes, 0),
      pauseMs: 0,
      outside: outsideOf(scan, mappings, { readable: tools !== undefined, skipped: new Set() }),
      system: systemOf(),
    };
  } catch (error) {
    throwIfAborted(context.signal);
    return { ...NOTHING, problems: [toStasisError(error, 'files.failed')] };
  }
}

export function systemOf(): Record<string, string> {
  return { product: 'files', platform: process.platform };
}

/** What this user must not read. */
function rights(root: Buffer, scan: Scan): StasisError[] {
  const [first] = scan.entries;
  if (first === undefined || first.kind === 'symlink' || first.kind === 'fifo')
    return [
      new StasisError('files.not-a-folder', 'The path is neither a folder nor a file.', {
        hint: 'Give a folder or a file.',
        at: ['path'],
      }),
    ];
  const closed = scan.entries
    .filter((entry) => entry.kind === 'file' && !mayRead(absolute(root, entry.path)))
    .map(({ path }) => path);
  const all = [...scan.unlistable, ...closed];
  return all.length === 0 ? [] : [unreadable(all)];
}

/** What has gone since it was seen hinders nobody. */
function mayRead(path: Buffer): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch (error) {
    return !isCode(error, 'EACCES', 'EPERM');
  }
}

/** What will keep the folder from being shown to have stood still. */
function doubts(scan: Scan, mapped: ReadonlySet<string>): StasisError[] {
  const warn = (message: string, hint: string): StasisError =>
    new StasisError('files.not-provable', message, { severity: 'warning', at: ['path'], hint });
  const why = [...scan.fileSystems.values()].find(({ unprovable }) => unprovable !== undefined)?.unprovable;
  const open = scan.entries.filter((entry) => mapped.has(inodeOf(entry))).map(({ path }) => path);
  const doubts: StasisError[] = [];
  if (why !== undefined)
    doubts.push(
      warn(
        `Nothing can show that the folder stood still: ${why}.`,
        'Keep it on a local disk (ext4, xfs, btrfs), or accept blur with maxBlurMs.',
      ),
    );
  if (open.length > 0)
    doubts.push(
      warn(
        `A process has mapped ${nameSome(open)} for writing, so nothing shows that it stands still.`,
        'Stop that process, leave the file out with exclude, or accept blur with maxBlurMs.',
      ),
    );
  return doubts;
}

/** A warning: without the tools all else is captured. */
export function unreadAttributes(): StasisError {
  return new StasisError(
    'files.attributes-tool-missing',
    'Extended attributes and ACLs cannot be read, as getfattr is missing.',
    { severity: 'warning', at: ['path'], hint: 'Install attr: apt-get install attr.' },
  );
}
