import { StasisError } from '../core/errors.ts';
import type { Host } from '../core/host.ts';
import { Pushed } from '../core/pushed.ts';
import { within } from '../core/wait.ts';

const ANSWER_MS = 15_000;
const END_MS = 60_000;

/**
 * Makes a folder in memory with so much room, says where, and waits for the end of its input, which is our own end at
 * the latest: then it removes the folder, once whatever dumps into it has gone. A criu that restores from it is not
 * waited for, as its images have to go, and may write into it until the folder has gone: so that is tried again. What
 * ends our commands on the host when it loses us must not end this, so it lives in a session of its own.
 */
const KEEP = `
trap '' HUP INT TERM PIPE
for top in /run /dev/shm; do
  [ "$(stat -f -c %T -- $top)" = tmpfs ] || continue
  [ $(($(stat -f -c '%a * %S' -- $top))) -ge "$1" ] || continue
  mkdir -p -m 700 $top/stasis && folder=$(mktemp -d $top/stasis/dump-XXXXXXXX) && break
done
[ -n "$folder" ] || { echo 'neither /run nor /dev/shm is memory (tmpfs) with room for the dump'; exit 1; }
echo "$folder"
cat > /dev/null
for file in "$folder/criu.pid" "$folder"/*/criu.pid "$folder"/*/*/criu.pid; do
  n=0
  while [ $n -lt 600 ] && read -r p < "$file" && read -r name < "/proc/$p/comm"; do
    case $name in criu | crun | env | nsenter | unshare) ;; *) break ;; esac
    n=$((n + 1))
    sleep 0.1
  done
done 2> /dev/null
n=0
until rm -rf -- "$folder" 2> /dev/null || [ $n = 600 ]; do n=$((n + 1)); sleep 0.1; done
`;
/** By way of another descriptor, as a shell takes its input away from what it runs in the background. */
const DETACH =
  'keep=$1; shift; exec 3<&0; setsid sh -c "$keep" stasis-folder "$@" <&3 3<&- & exec 3<&- <&-; wait';

/** A folder in memory, where a dump is written at once: on a disk it would make the pause longer. It goes when we do. */
export interface MemoryFolder extends AsyncDisposable {
  /** Absolute. */
  readonly path: string;
}

/** @throws StasisError `runtime.no-room` */
export async function memoryFolder(
  host: Host,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<MemoryFolder> {
  const words = new Pushed();
  // It has to outlast a cancel.
  const unaborted = new AbortController().signal;
  const argv = ['sh', '-c', DETACH, 'sh', KEEP, String(Math.ceil(sizeBytes))];
  const spawned = await host.spawn(argv, { signal: unaborted, stdin: words });
  const end = async (): Promise<void> => {
    words.end();
    await within(END_MS, 'the end of a folder in memory', undefined, () => spawned.ended);
  };
  try {
    const path = await within(ANSWER_MS, 'a folder in memory', signal, () => firstLine(spawned.stdout));
    if (!path.startsWith('/'))
      throw new StasisError('runtime.no-room', `${host.name} has no room for a dump: ${path}.`, {
        hint: 'A dump is written to memory first; make /run or /dev/shm larger.',
      });
    return { path, [Symbol.asyncDispose]: end };
  } catch (error) {
    await end().catch(() => undefined);
    throw error;
  }
}

async function firstLine(stdout: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces = stdout[Symbol.asyncIterator]();
  let said = '';
  while (!said.includes('\n')) {
    const { value, done } = await pieces.next();
    if (done) break;
    said += Buffer.from(value).toString('utf8');
  }
  return said.trim();
}
