import { createHash } from 'node:crypto';
import type { Host } from '../core/host.ts';
import type { DoubtfulPage, OfFile } from './images/memory.ts';
import { runScript } from './machine.ts';

const PAGE_BYTES = 4096n;
/** How many pages are asked for at once: arguments have a limit. */
const AT_ONCE = 500;

/** Digests of pages of files, padded with zeros as the kernel pads them: PATH PAGE, and so on. A lost file has none. */
const DIGESTS = `
while [ $# -gt 1 ]; do
  dd if="$1" bs=4096 skip="$2" count=1 conv=sync 2> /dev/null | sha256sum
  shift 2
done
`;

/** By what the host's files hold, below the place where the processes see them. */
export function ofFileOn(host: Host, root: string, signal: AbortSignal): OfFile {
  return async (pages) => {
    const wanted = new Map(pages.map((page) => [keyOf(page), page]));
    const digests = new Map<string, string>();
    const keys = [...wanted.keys()];
    for (let from = 0; from < keys.length; from += AT_ONCE) {
      const some = keys.slice(from, from + AT_ONCE);
      const args = some.flatMap((key) => {
        const { path, offsetBytes } = wanted.get(key)!;
        return [`${root}${path}`, String(offsetBytes / PAGE_BYTES)];
      });
      const printed = (await runScript(host, DIGESTS, args, { signal })).trim().split('\n');
      for (const [index, key] of some.entries()) digests.set(key, printed[index]?.slice(0, 64) ?? '');
    }
    return new Set(pages.filter((page) => digests.get(keyOf(page)) === sha256(page.content)));
  };
}

function keyOf({ path, offsetBytes }: DoubtfulPage): string {
  return `${offsetBytes} ${path}`;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
