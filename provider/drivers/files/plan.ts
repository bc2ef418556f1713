import type { Context } from '../../core/context.ts';
import type { CapturePlan } from '../../core/driver.ts';
import { StasisError, throwIfAborted, toStasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import { accessTo, type TreeAccess } from './access.ts';
import { findAttributeTools } from './attributes.ts';
import { inodeOf } from './entry.ts';
import { mappingsOf } from './mappings.ts';
import { outsideOf } from './outside.ts';
import { identitiesOf, locate } from './place.ts';
import { nameSome, unreadable } from './reading.ts';
import type { Scan } from './scan.ts';
import { excluder } from './selection.ts';
import type { FilesSpec } from './spec.ts';

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
  const access = accessTo(host);
  const { signal } = context;
  try {
    await insistOnTools(access);
    const realPath = await locate(spec, access);
    const root = Buffer.from(realPath);
    const scan = await access.scan(root, excluder(spec.exclude), signal);
    const tools = await findAttributeTools(host);
    const mappings = mappingsOf(scan.entries, scan.processes ?? (await access.processes(signal)));
    const files = new Map(scan.entries.map((entry) => [inodeOf(entry), entry.sizeBytes]));
    return {
      problems: [
        ...(await rights(root, scan, access, signal)),
        ...doubts(scan, mappings.mapped),
        ...(tools === undefined ? [unreadAttributes()] : []),
      ],
      identities: await identitiesOf(realPath, access),
      folders: [realPath],
      sizeBytes: [...files.values()].reduce((sum, sizeBytes) => sum + sizeBytes, 0),
      pauseMs: 0,
      outside: outsideOf(scan, mappings, { readable: tools !== undefined, skipped: new Set() }),
      system: await systemOf(access),
    };
  } catch (error) {
    throwIfAborted(context.signal);
    return { ...NOTHING, problems: [toStasisError(error, 'files.failed')] };
  }
}

export async function systemOf(access: TreeAccess): Promise<Record<string, string>> {
  return { product: 'files', platform: (await access.self()).platform };
}

/** @throws StasisError `files.tools-missing` */
export async function insistOnTools(access: TreeAccess): Promise<void> {
  const [problem] = await missingTools(access);
  if (problem) throw problem;
}

/** What a host lacks to be worked with at all. */
export async function missingTools(access: TreeAccess): Promise<StasisError[]> {
  const missing = await access.missingTools();
  if (missing.length === 0) return [];
  return [
    new StasisError('files.tools-missing', `${access.host.name} lacks ${missing.join(', ')}.`, {
      hint: 'Every Debian has them: apt-get install bash coreutils findutils grep tar.',
      at: ['path'],
    }),
  ];
}

/** What this user must not read. */
async function rights(
  root: Buffer,
  scan: Scan,
  access: TreeAccess,
  signal: AbortSignal,
): Promise<StasisError[]> {
  const [first] = scan.entries;
  if (first === undefined || first.kind === 'symlink' || first.kind === 'fifo')
    return [
      new StasisError('files.not-a-folder', 'The path is neither a folder nor a file.', {
        hint: 'Give a folder or a file.',
        at: ['path'],
      }),
    ];
  const files = scan.entries.filter(({ kind }) => kind === 'file');
  const closed = await access.closed(root, files, signal);
  const all = [...scan.unlistable, ...closed];
  return all.length === 0 ? [] : [unreadable(all)];
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
