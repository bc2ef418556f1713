import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { once } from '../../../provider/core/content.ts';
import type { Host } from '../../../provider/core/host.ts';
import { on } from '../process/rig.ts';

const PROGRAM = join(import.meta.dirname, '../process/ring.py');
const PLACE = '/tmp/ring.py';

/**
 * PROGRAM IMAGE: an image that has Python, what of its library the program loads, and the program; a few megabytes, as
 * every capture takes it along.
 */
const MAKE_RING_IMAGE = `
set -e
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/bin" "$root/tmp" "$root/run" "$root/srv/ring" "$root/etc" "$root/opt" "$root/usr/bin"
cp "$1" "$root/opt/ring.py"
cp "$(readlink -f "$(command -v busybox)")" "$root/bin/busybox"
for name in sh true touch; do ln -s busybox "$root/bin/$name"; done
python=$(readlink -f "$(command -v python3)")
cp "$python" "$root/usr/bin/python3"
python3 -I -S -c 'import ctypes, json, mmap, os, socket, sys
print(*sorted({file for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))}), sep="\\n")' > "$root/loaded"
{ cat "$root/loaded"; for file in "$python" $(grep '[.]so$' "$root/loaded"); do ldd "$file" | grep -o '/[^ ]*'; done; } | sort -u |
  while read -r file; do mkdir -p "$root$(dirname "$file")"; cp -L "$file" "$root$file"; done
rm "$root/loaded"
echo 'root:x:0:0::/:/bin/sh' > "$root/etc/passwd"
tar -C "$root" -cf - . | podman import --quiet - "$2" > /dev/null
`;

/** An image with nothing in it but a shell. */
const MAKE_SMALL_IMAGE = `
set -e
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/bin" "$root/tmp" "$root/run" "$root/etc"
cp "$(readlink -f "$(command -v busybox)")" "$root/bin/busybox"
for name in sh sleep; do ln -s busybox "$root/bin/$name"; done
tar -C "$root" -cf - . | podman import --quiet - "$1" > /dev/null
`;

export async function makeRingImage(host: Host, image: string): Promise<void> {
  const { signal } = new AbortController();
  await host.write(PLACE, once(await readFile(PROGRAM)), { signal });
  await on(host, MAKE_RING_IMAGE, PLACE, image);
}

export async function makeSmallImage(host: Host, image: string): Promise<void> {
  await on(host, MAKE_SMALL_IMAGE, image);
}
