import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import { unpackImages } from '../../runtime/images/packed.ts';
import { streamOf } from '../../runtime/machine.ts';

/**
 * What podman knows of a container it tells in full only when it exports a checkpoint: `config.dump`, `spec.dump` and
 * `network.status`. So it is asked for one, of which the dump itself is left out: for this one command the runtime is a
 * script that does nothing when it is told to checkpoint, and hands on all else. The container never notices.
 *   FOLDER NAME RUNTIME
 */
const EXPORT = `
folder=$1 name=$2 runtime=$3
mkdir -p -m 700 -- "$folder" || exit 1
real=$(command -v "$runtime") || exit 1
cat > "$folder/runtime" <<SCRIPT || exit 1
#!/bin/sh
case " \\$* " in *' --help '*) ;; *' checkpoint '*) exit 0 ;; esac
exec "$real" "\\$@"
SCRIPT
chmod 700 "$folder/runtime"
printf '[engine.runtimes]\\n"%s" = ["%s"]\\n' "$runtime" "$folder/runtime" > "$folder/containers.conf"
CONTAINERS_CONF_OVERRIDE="$folder/containers.conf" podman container checkpoint --leave-running --ignore-rootfs \\
  --ignore-volumes --tcp-established --file-locks --compress none --export "$folder/export.tar" "$name" > "$folder/said" 2>&1 ||
  { head -n 1 "$folder/said" >&2; exit 1; }
mkdir "$folder/definition" && tar --extract --file "$folder/export.tar" --directory "$folder/definition" || exit 1
rm -f "$folder/export.tar"
cd "$folder/definition" || exit 1
set -- config.dump spec.dump
[ ! -f network.status ] || set -- "$@" network.status
tar --create --format=ustar --mtime=@0 --owner=0 --group=0 --numeric-owner --file=- -- "$@" || exit 1
cd / && rm -rf -- "$folder"
`;

/** By the names that podman gives them. */
export type Definition = ReadonlyMap<string, Buffer>;

export async function exportDefinition(
  folder: string,
  container: { readonly Name: string; readonly OCIRuntime: string },
  host: Host,
  signal: AbortSignal,
): Promise<Definition> {
  const argv = ['sh', '-c', EXPORT, 'stasis', folder, container.Name, container.OCIRuntime];
  const files = await unpackImages(streamOf(host, argv, signal));
  if (!files.has('config.dump') || !files.has('spec.dump'))
    throw new StasisError(
      'container.no-definition',
      `Podman does not tell how "${container.Name}" is made.`,
      {
        hint: 'Podman 4.9 to 5 is known.',
      },
    );
  return files;
}

const BLOCK_BYTES = 512;

/** The files as one archive (POSIX ustar), which `unpackImages` reads back. */
export function packDefinition(files: Definition): Buffer {
  const parts = [...files].flatMap(([name, bytes]) => {
    const rest = (BLOCK_BYTES - (bytes.length % BLOCK_BYTES)) % BLOCK_BYTES;
    return [headerOf(name, bytes.length), bytes, Buffer.alloc(rest)];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK_BYTES)]);
}

function headerOf(name: string, sizeBytes: number): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, length: number): string => value.toString(8).padStart(length - 1, '0');
  header.write(name, 0, 100, 'latin1');
  header.write(octal(0o600, 8), 100);
  for (const at of [108, 116]) header.write(octal(0, 8), at);
  header.write(octal(sizeBytes, 12), 124);
  header.write(octal(0, 12), 136);
  header.write(' '.repeat(8), 148);
  header.write('0', 156);
  header.write('ustar\0' + '00', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 7)}\0 `, 148, 'latin1');
  return header;
}
