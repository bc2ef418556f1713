import type { Host } from '../../../core/host.ts';
import { formatBytes } from '../../../core/units.ts';
import { fitting, SHARE_OF_CACHE, WARM_MS, type Warmth } from '../../../core/warmth.ts';
import { absolute } from '../scan.ts';
import type { HotFile, HotFiles } from './hot-files.ts';
import { PageCache, type Resident } from './page-cache.ts';
import { lengthOf, outsideOf, type Span, within } from './spans.ts';

const LOOK_MS = 60_000;
const READ_MEMINFO_MS = 10_000;

/**
 * Reads what was hot into the page cache of the host, files of which most was hot first. Loading and comparing have brought
 * in all that memory had room for: so what is there is looked at before, and told as it is afterwards.
 */
export async function warmFiles(
  root: Buffer,
  hot: HotFiles | undefined,
  host: Host,
  signal: AbortSignal,
): Promise<Warmth> {
  const cold = { hotBytes: hot?.hotBytes, warmedBytes: 0 };
  if (hot === undefined)
    return { ...cold, reason: 'The snapshot does not know what of the files lay in the page cache.' };
  const cache = await PageCache.of(host);
  if (cache === undefined) return { ...cold, reason: 'Nothing can be read back, as its host has no perl.' };
  const { chosen, left } = chooseFiles(hot.files, SHARE_OF_CACHE * (await availableBytes(host, signal)));
  const paths = chosen.map(({ path }) => absolute(root, Buffer.from(path, 'latin1')));
  const missing = (await cache.look(paths, LOOK_MS, signal)).map((resident, index) =>
    missingOf(chosen[index]!, resident),
  );
  const wanted = missing.flatMap((spans, index) =>
    spans.length === 0 ? [] : [{ path: paths[index]!, spans }],
  );
  await cache.read(wanted, WARM_MS, signal);
  const resident = await cache.look(paths, LOOK_MS, signal);
  const warmedBytes = chosen.reduce(
    (sum, { spans }, index) => sum + lengthOf(within(spans, resident[index] ?? [])),
    0,
  );
  const reasons = reasonsOf(hot, { chosen, left, warmedBytes });
  return { ...cold, warmedBytes, ...(reasons.length > 0 ? { reason: reasons.join(' ') } : {}) };
}

function missingOf({ spans, sizeBytes }: HotFile, resident: Resident): Span[] {
  return resident === undefined ? [...spans] : within(spans, outsideOf(resident, sizeBytes));
}

/** Those of which the greatest share was hot first, as long as there is room. */
export function chooseFiles(
  files: readonly HotFile[],
  budgetBytes: number,
): { readonly chosen: readonly HotFile[]; readonly left: number } {
  const share = ({ spans, sizeBytes }: HotFile): number => lengthOf(spans) / sizeBytes;
  const byShare = files.toSorted((a, b) => share(b) - share(a));
  return fitting(byShare, ({ spans }) => lengthOf(spans), budgetBytes);
}

interface Done {
  readonly chosen: readonly HotFile[];
  readonly left: number;
  readonly warmedBytes: number;
}

function reasonsOf({ files, hotBytes }: HotFiles, { chosen, left, warmedBytes }: Done): string[] {
  const listed = files.reduce((sum, { spans }) => sum + lengthOf(spans), 0);
  const wanted = chosen.reduce((sum, { spans }) => sum + lengthOf(spans), 0);
  const reasons: string[] = [];
  if (listed < hotBytes)
    reasons.push(`Of ${formatBytes(hotBytes - listed)} in many short stretches the snapshot keeps no list.`);
  if (left > 0) reasons.push(`The host has no memory to spare for ${formatBytes(left)} of it.`);
  if (warmedBytes < wanted)
    reasons.push(
      `${formatBytes(wanted - warmedBytes)} could not be read in time, or did not stay in memory.`,
    );
  return reasons;
}

async function availableBytes(host: Host, signal: AbortSignal): Promise<number> {
  const chunks: Uint8Array[] = [];
  const late = AbortSignal.timeout(READ_MEMINFO_MS);
  for await (const chunk of host.read('/proc/meminfo', { signal: AbortSignal.any([signal, late]) }))
    chunks.push(chunk);
  const [, kibibytes] = /^MemAvailable:\s+(\d+) kB$/m.exec(Buffer.concat(chunks).toString()) ?? [];
  return kibibytes === undefined ? 0 : Number(kibibytes) * 1024;
}
