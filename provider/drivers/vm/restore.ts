import { z } from 'zod';
import type { Context } from '../../core/context.ts';
import type { Held, RestoreOptions } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import type { MemberCapture } from '../../core/manifest.ts';
import type { BlobReader } from '../../core/store.ts';
import { runScript } from '../../runtime/machine.ts';
import { dropStarted, startByArguments } from './by-arguments.ts';
import { dropDomain, startByDomain, writeSavedDomain } from './by-domain.ts';
import { readContent } from './content.ts';
import { loadDisk } from './disks/load.ts';
import type { Loading } from './loaded-machine.ts';
import { storedStream } from './memory/store.ts';
import { placeOf } from './place.ts';
import { insistOnTarget } from './plan-restore.ts';
import { RestoredVm } from './restored.ts';
import { uriOf, type VmSpec } from './spec.ts';

/** Restores a VM that is stopped, with its disks beside whatever is at the target. */
export async function restoreVm(
  spec: VmSpec,
  host: Host,
  from: MemberCapture,
  blobs: BlobReader,
  options: RestoreOptions,
  context: Context,
): Promise<Held> {
  const { signal } = context;
  const content = readContent(from);
  const target = await insistOnTarget(spec, host, content, options, signal);
  const place = placeOf(spec, options.restoreId);
  const { restoreId } = options;
  await options.journal({ ...place, restoreId, uri: uriOf(spec), domain: spec.domain ?? '' });
  const loading: Loading = { spec, host, place, content, restoreId, replaces: !target.empty, signal };
  const drop = (): Promise<void> => dropRestored(loading);
  try {
    await loadFolder(loading, blobs);
    const { made } = content;
    const machine = await ('xml' in made
      ? startByDomain(loading, made.xml)
      : startByArguments(loading, made.argv));
    return new RestoredVm({ ...loading, context, machine, drop });
  } catch (error) {
    await drop();
    throw error;
  }
}

/** Disks, kernel and firmware, and the memory as what starts the machine reads it. */
async function loadFolder(loading: Loading, blobs: BlobReader): Promise<void> {
  const { place, content, host, signal } = loading;
  const { folder } = place;
  const make = 'rm -rf -- "$1" && mkdir -p -- "$1" && chmod 711 -- "$1"';
  await runScript(host, make, [folder], { signal });
  for (const { file, digest } of content.files)
    await host.write(`${folder}/${file}`, blobs.get(digest), { signal, mode: 0o644 });
  for (const disk of content.disks)
    if (!content.files.some(({ file }) => file === disk.file))
      await loadDisk(disk, folder, blobs, host, signal);
  if (content.memory === undefined) return;
  if ('xml' in content.made) await writeSavedDomain(loading, blobs);
  else await host.write(place.memory, storedStream(content.memory, blobs), { signal });
}

/** Leaves nothing of a restore that was not released. */
async function dropRestored({
  spec,
  place,
  host,
}: Pick<Loading, 'host'> & {
  readonly spec: Pick<VmSpec, 'domain' | 'uri'>;
  readonly place: { readonly folder: string; readonly socket: string };
}): Promise<void> {
  const { folder, socket } = place;
  if (spec.domain) await dropDomain(uriOf(spec), spec.domain, folder, host);
  else await dropStarted(folder, socket, host);
  const remove = 'rm -rf -- "$1"; rmdir -- "$(dirname -- "$1")" 2> /dev/null; exit 0';
  await runScript(host, remove, [folder], { signal: new AbortController().signal });
}

const journalSchema = z.object({
  folder: z.string(),
  socket: z.string(),
  record: z.string(),
  restoreId: z.string(),
  uri: z.string(),
  domain: z.string(),
});

/** What a restore that died has left goes, unless it was released: then it lives. */
export async function undoVm(host: Host, entry: unknown, context: Context): Promise<void> {
  const parsed = journalSchema.safeParse(entry);
  if (!parsed.success)
    throw new StasisError('vm.malformed-journal', 'The journal of an earlier restore cannot be read.');
  const { folder, socket, record, restoreId, uri, domain } = parsed.data;
  const remembered = await runScript(host, 'cat -- "$1" 2> /dev/null || true', [record], {
    signal: context.signal,
  });
  if (remembered.includes(JSON.stringify(restoreId))) return;
  await dropRestored({ spec: { domain, uri }, place: { folder, socket }, host });
}
