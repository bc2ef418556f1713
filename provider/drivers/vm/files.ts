import type { FingerprintEntry } from '../../core/fingerprint.ts';
import type { Host } from '../../core/host.ts';
import { runScript } from '../../runtime/machine.ts';
import type { VmContent } from './content.ts';
import type { Place } from './place.ts';

/** A kernel, an initial file system and a firmware are read within this on a slow disk. */
const HASH_MS = 120_000;
const HASH = 'for path; do sha256sum < "$path" || exit 1; done';

/** By where they lie: names of files that the machine is started with. */
export type MachineFiles = ReadonlyMap<string, string>;

export function filesIn({ files }: VmContent, { folder }: Place): MachineFiles {
  return new Map(files.map(({ file }) => [`${folder}/${file}`, file]));
}

/** What the machine is started with, the next time it is: read on its host, past what copied it. */
export async function fingerprintFiles(
  files: MachineFiles,
  host: Host,
  signal: AbortSignal,
): Promise<FingerprintEntry[]> {
  const printed = await runScript(host, HASH, [...files.keys()], { signal, timeoutMs: HASH_MS });
  const digests = printed.split('\n').map((line) => line.slice(0, 64));
  return [...files.values()].map((file, index) => ({ object: `file/${file}`, digest: digests[index]! }));
}
