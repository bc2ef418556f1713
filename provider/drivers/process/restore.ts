import { z } from 'zod';
import { once } from '../../core/content.ts';
import type { Context } from '../../core/context.ts';
import type { Egress } from '../../core/controls.ts';
import type { Held, RestoreOptions } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import type { MemberCapture } from '../../core/manifest.ts';
import type { BlobReader } from '../../core/store.ts';
import { cutEnds, LOG_NAME } from '../../runtime/images/outside-ends.ts';
import { feed, runScript } from '../../runtime/machine.ts';
import { memoryFolder } from '../../runtime/memory-folder.ts';
import { surroundingsOn } from '../../runtime/surroundings.ts';
import { loadTree } from '../../runtime/trees.ts';
import { imagesBytes, type ProcessContent, readContent, storedImages } from './content.ts';
import { type Place, placeOf } from './place.ts';
import { insistOnTarget } from './plan-restore.ts';
import { DROP, FIND_ROOT, HOOK, MAKE_NETWORK, START } from './restore-scripts.ts';
import { RestoredTree } from './restored.ts';
import type { ProcessSpec } from './spec.ts';

const START_MS = 60_000;
const DROP_MS = 30_000;

/** Restores a tree into fresh namespaces, frozen from the first instruction on. */
export async function restoreProcess(
  spec: ProcessSpec,
  host: Host,
  from: MemberCapture,
  blobs: BlobReader,
  options: RestoreOptions,
  context: Context,
): Promise<Held> {
  const { signal } = context;
  const content = readContent(from);
  const place = placeOf(spec, options.restoreId);
  await insistOnTarget(spec, host, content, options, signal);
  const surroundings = await surroundingsOn(host, signal);
  const group = `${surroundings.groups}/${place.group}`;
  await options.journal({ ...place, group, restoreId: options.restoreId });
  const drop = (): Promise<void> => dropRestored({ ...place, group }, host);
  try {
    const { egress = 'open' } = options;
    const command = from.system.command ?? '';
    await loadAndStart({ content, place, group, egress, command }, host, blobs, signal);
    const pid = Number(await runScript(host, FIND_ROOT, [group, String(content.root)], { signal }));
    return new RestoredTree({ spec, host, context, content, place, group, pid, options, drop });
  } catch (error) {
    await drop();
    throw error;
  }
}

/** The images are in memory only for as long as it takes to restore them. */
async function loadAndStart(
  made: {
    readonly content: ProcessContent;
    readonly place: Place;
    readonly group: string;
    readonly egress: Egress;
    readonly command: string;
  },
  host: Host,
  blobs: BlobReader,
  signal: AbortSignal,
): Promise<void> {
  const { content, place } = made;
  await using folder = await memoryFolder(host, imagesBytes(content), signal);
  const log = await writeImages(folder.path, content, blobs, host, signal);
  const binds = await loadTrees(place, content, blobs, host, signal);
  const pairs = content.connections.map((connection) => `pair:${connection}`);
  await runScript(host, MAKE_NETWORK, [place.network, made.egress, ...content.addresses, ...pairs], {
    signal,
  });
  await start({ ...made, folder: folder.path, binds, log }, host, signal);
}

/** Returns what CRIU knows the tree's log by, if it has one. */
async function writeImages(
  folder: string,
  content: ProcessContent,
  blobs: BlobReader,
  host: Host,
  signal: AbortSignal,
): Promise<string> {
  const unpack = ['tar', '--extract', '--file=-', '--directory', folder];
  await feed(host, unpack, blobs.get(content.described.digest), signal);
  for (const { name, digest } of content.pages)
    await feed(host, ['sh', '-c', 'cat > "$1"', 'stasis', `${folder}/${name}`], blobs.get(digest), signal);
  const { rewritten, hasLog } = await cutEnds(await storedImages(content, blobs));
  for (const [name, bytes] of rewritten) await host.write(`${folder}/${name}`, once(bytes), { signal });
  return hasLog ? LOG_NAME : '';
}

/** Returns what is to be mounted where. */
async function loadTrees(
  place: Place,
  content: ProcessContent,
  blobs: BlobReader,
  host: Host,
  signal: AbortSignal,
): Promise<string[]> {
  await runScript(host, 'mkdir -p -m 700 -- "$1"', [place.folder], { signal });
  const write = 'printf %s "$2" > "$1/hook" && chmod 700 "$1/hook" && printf %s "$3" > "$1/drop"';
  await runScript(host, write, [place.folder, HOOK, DROP], { signal });
  const binds: string[] = [];
  for (const [index, { path, digest }] of content.trees.entries()) {
    const folder = `${place.folder}/files-${index}`;
    await loadTree(folder, blobs.get(digest), host, signal);
    binds.push(folder, path);
  }
  const { memory } = content;
  if (memory) await loadTree(`${place.folder}/memory`, blobs.get(memory.digest), host, signal);
  return binds;
}

async function start(
  input: {
    readonly folder: string;
    readonly group: string;
    readonly place: Place;
    readonly content: ProcessContent;
    readonly binds: readonly string[];
    readonly log: string;
    /** What the tree is called in the target's journal. */
    readonly command: string;
  },
  host: Host,
  signal: AbortSignal,
): Promise<void> {
  const { folder, group, place, content, binds, log, command } = input;
  const printed = await runScript(
    host,
    START,
    [
      folder,
      place.network,
      group,
      String(content.uptimeS),
      String(content.highest),
      place.folder,
      command,
      log,
      ...binds,
      '--',
      ...(content.memory?.folders ?? []),
    ],
    { signal, timeoutMs: START_MS },
  );
  if (/^status 0$/m.test(printed)) return;
  const said = printed.split('\n').slice(1).join('\n').trim();
  const why = /Error \([^)]*\): (.*)/.exec(said)?.[1] ?? said.split('\n')[0];
  throw new StasisError(
    'process.restore-failed',
    `The processes could not be brought back: ${why?.replace(/\.$/, '')}.`,
    {
      hint: 'The host needs the same programs and libraries; the details have what CRIU said.',
      details: { said },
    },
  );
}

/** Leaves nothing of a restore that was not released. */
export async function dropRestored(
  made: Pick<Place, 'folder' | 'network'> & { readonly group: string },
  host: Host,
): Promise<void> {
  const { signal } = new AbortController();
  await runScript(host, DROP, [made.group, made.folder, made.network], {
    signal,
    timeoutMs: DROP_MS,
  });
}

const journalSchema = z.object({
  folder: z.string(),
  network: z.string(),
  group: z.string(),
  record: z.string(),
  restoreId: z.string(),
});

/** What a restore that died has left goes, unless it was released: then it lives. */
export async function undoProcess(host: Host, entry: unknown, context: Context): Promise<void> {
  const parsed = journalSchema.safeParse(entry);
  if (!parsed.success)
    throw new StasisError('process.malformed-journal', 'The journal of an earlier restore cannot be read.');
  const { record, restoreId } = parsed.data;
  const remembered = await runScript(host, 'cat -- "$1" 2>/dev/null || true', [record], {
    signal: context.signal,
  });
  if (remembered.includes(JSON.stringify(restoreId))) return;
  await dropRestored(parsed.data, host);
}
