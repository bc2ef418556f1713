import { watchedContent } from '../../core/content.ts';
import { StasisError } from '../../core/errors.ts';
import type {
  FileOptions,
  Host,
  TemporaryFolder,
  TemporaryFolderOptions,
  WriteOptions,
} from '../../core/host.ts';

/** What files are read and written with, where a host has commands only. */
type Commands = Pick<Host, 'name' | 'run' | 'spawn'>;

const COMMAND_MS = 30_000;

export async function* readFile(
  host: Commands,
  path: string,
  { signal }: FileOptions,
): AsyncGenerator<Uint8Array> {
  const reader = await host.spawn(['cat', '--', path], { signal });
  try {
    yield* reader.stdout;
    const { status, stderr } = await reader.ended;
    if (status !== 0)
      throw new StasisError('host.cannot-read', `${path} cannot be read on ${host.name}: ${last(stderr)}.`);
  } finally {
    // Whoever stops reading half-way leaves a command that would wait for him.
    reader.kill();
    await reader.ended.catch(() => undefined);
  }
}

/** The name of what is being written, beside it, so that the renaming is one step. */
const WRITE = `umask 077
unfinished=$1.$$.unfinished
trap 'rm -f -- "$unfinished"; exit 1' HUP INT TERM
cat > "$unfinished" && chmod "$2" "$unfinished" && mv -f -- "$unfinished" "$1" || { rm -f -- "$unfinished"; exit 1; }`;

export async function writeFile(
  host: Commands,
  path: string,
  content: AsyncIterable<Uint8Array>,
  { signal, mode = 0o600 }: WriteOptions,
): Promise<void> {
  // A command takes the end of a broken stream for the end of the content: it has to be ended before.
  const broken = new AbortController();
  let failure: { readonly thrown: unknown } | undefined;
  const watched = watchedContent(content, async (thrown) => {
    failure = { thrown };
    broken.abort(new StasisError('host.cannot-write', 'The content broke off.'));
    await new Promise(() => {});
  });
  const writer = await host.spawn(['sh', '-c', WRITE, 'write', path, mode.toString(8)], {
    signal: AbortSignal.any([signal, broken.signal]),
    stdin: watched,
  });
  try {
    for await (const _ of writer.stdout);
    const { status, stderr } = await writer.ended;
    if (status === 0 && failure === undefined) return;
    throw new StasisError(
      'host.cannot-write',
      `${path} cannot be written on ${host.name}: ${last(stderr)}.`,
      {
        hint: 'Make space, or give the right to write there.',
      },
    );
  } catch (error) {
    throw failure === undefined ? error : failure.thrown;
  }
}

/** The first of the folders that is in memory and ours to write to, else where temporary files go. */
const MAKE_FOLDER = `umask 077
for base in "$@"; do
  case $(stat -f -c %T -- "$base" 2>/dev/null) in tmpfs|ramfs) ;; *) continue ;; esac
  [ -w "$base" ] && mktemp -d "$base/stasis-XXXXXXXX" && exit
done
mktemp -d "\${TMPDIR:-/tmp}/stasis-XXXXXXXX"`;

export async function temporaryFolder(
  host: Commands,
  { signal, memory = false }: TemporaryFolderOptions,
): Promise<TemporaryFolder> {
  const wanted = memory ? ['/run', '/dev/shm'] : [];
  const made = await host.run(['sh', '-c', MAKE_FOLDER, 'folder', ...wanted], {
    signal,
    timeoutMs: COMMAND_MS,
  });
  const path = made.stdout.replace(/\n$/, '');
  if (made.status !== 0 || !path.startsWith('/'))
    throw new StasisError(
      'host.cannot-write',
      `A temporary folder cannot be made on ${host.name}: ${last(made.stderr)}.`,
    );
  return {
    path,
    async [Symbol.asyncDispose]() {
      const late = AbortSignal.timeout(COMMAND_MS);
      await host
        .run(['rm', '-rf', '--', path], { signal: late, timeoutMs: COMMAND_MS })
        .catch(() => undefined);
    },
  };
}

/** The last line that a command said, as the end of a sentence. */
function last(stderr: string): string {
  return stderr.trim().split('\n').at(-1)?.replace(/\.$/, '') || 'it gave no reason';
}
