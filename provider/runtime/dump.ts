import { StasisError } from '../core/errors.ts';
import type { Host, Spawned } from '../core/host.ts';
import { Pushed } from '../core/pushed.ts';
import { within } from '../core/wait.ts';
import { answersOf, MARK_OF } from './freezer.ts';
import { type Images, imagesOf } from './images/image.ts';
import { PACK_IMAGES, unpackImages } from './images/packed.ts';
import { readHostFile, runScript } from './machine.ts';

/** Deleted files that are still open are put into the images up to this size (CRIU's own default is 1 MB). */
export const GHOST_LIMIT_BYTES = 256 * 1024 * 1024;
/** How long a dump may still take once nobody waits for it: it is never killed, as that can take the tree with it. */
const LAST_MS = 60_000;

export async function removeFolder(host: Host, folder: string, signal: AbortSignal): Promise<void> {
  await runScript(host, 'rm -rf -- "$1"', [folder], { signal });
}

/** What dumps a tree. */
export interface DumpCommand {
  readonly argv: readonly string[];
  /**
   * Set where the command can start before it is let go: it reads these lines from its standard input to the end of that
   * before it touches a process, and ends in an error where they do not come.
   */
  readonly given?: string;
  /**
   * A table of Unix sockets (/proc/PID/net/unix) of which some may belong to the tree and have their other ends outside:
   * CRIU is told of each that is connected, at the moment of the dump, as it dumps half of a connection only where it is
   * told to (`--external unix[INODE]`).
   */
  readonly unixSockets?: string;
}

/**
 * In a session of its own: a host ends what we run there when it loses us, and a dump that has begun must not be ended.
 * Where memory runs out the kernel ends something else (proc_pid_oom_score_adj(5)), for the same reason.
 */
const SPARED = 'echo -1000 2> /dev/null > /proc/self/oom_score_adj';

/** FOLDER COMMAND...: waits for a word before it becomes what dumps. It ends with its input. */
const WAIT_THEN = `
${SPARED}
read -r word || exit 9
sh -c 'echo $$ > "$1/criu.pid"; shift; exec "$@"' stasis-dump "$@" >&2 < /dev/null
`;

/**
 * FOLDER LINES TABLE COMMAND...: what dumps waits for the lines and the sockets in the table, so that its start is no part of
 * the pause. Who waits for one that dumps looks for criu.pid, which is there from the word on. Of a line of the table the
 * fifth column is the type (1 stream, 5 packets in sequence), the sixth the state (3 connected), the seventh the inode.
 */
const START_THEN = `
${SPARED}
folder=$1 given=$2 table=$3; shift 3
{
  read -r word || exit
  n=0; until [ -s "$folder/waiting" ] || [ $n -ge 500 ]; do n=$((n + 1)); sleep 0.01; done
  read -r p < "$folder/waiting" && echo "$p" > "$folder/criu.pid" && echo "$given"
  [ -z "$table" ] || sed -n 's/^[^ ]* [^ ]* [^ ]* [^ ]* 000[15] 03  *\\([0-9]*\\).*/external unix[\\1]/p' "$table"
} | sh -c 'echo $$ > "$1/waiting"; shift; exec "$@"' stasis-dump "$folder" "$@" >&2
`;

/** Says how it ended, and stays until nobody needs it any more: the end of a session takes time of the pause, too. */
const SAY_AND_STAY = `
printf '%s\\n.\\n' $?
read -r end
`;

/** One dump of a tree, started before the freeze and let go within it. It is to be ended by whoever has made it ready. */
export class Dump implements AsyncDisposable {
  readonly folder: string;
  private readonly host: Host;
  private readonly spawned: Spawned;
  private readonly word: Pushed;
  private gone = false;

  private constructor(folder: string, host: Host, spawned: Spawned, word: Pushed) {
    this.folder = folder;
    this.host = host;
    this.spawned = spawned;
    this.word = word;
  }

  /** The command, which dumps into the folder, starts as far as it goes without touching a process. */
  static async ready(folder: string, dump: DumpCommand, host: Host): Promise<Dump> {
    const { argv: command, given, unixSockets = '' } = dump;
    const word = new Pushed();
    const { signal } = new AbortController();
    const script =
      given === undefined
        ? [WAIT_THEN + SAY_AND_STAY, 'stasis-dump', folder]
        : [START_THEN + SAY_AND_STAY, 'stasis-dump', folder, given, unixSockets];
    const argv = ['setsid', '--wait', 'sh', '-c', ...script, ...command];
    const spawned = await host.spawn(argv, { signal, stdin: word });
    return new Dump(folder, host, spawned, word);
  }

  /** @throws StasisError `runtime.dump-failed` with what criu said */
  async run(signal: AbortSignal): Promise<void> {
    this.gone = true;
    this.word.push('go\n');
    const status = await within(LAST_MS, 'the dump', signal, () => this.said());
    if (status === 0) return;
    throw await this.failure(status);
  }

  private async said(): Promise<number> {
    const { value, done } = await answersOf(this.spawned.stdout).next();
    return done ? (await this.spawned.ended).status : Number(value[0]);
  }

  private async failure(status: number): Promise<StasisError> {
    const { signal } = new AbortController();
    const said = await runScript(this.host, FAILURES, [this.folder], { signal }).catch(() => '');
    const why = said
      .trim()
      .split('\n')[0]
      ?.replace(/^.*?Error \([^)]*\): /, '');
    return new StasisError(
      'runtime.dump-failed',
      `The processes could not be dumped: ${why || `the dump ended with ${status}`}.`,
      {
        hint: 'The plan names what is known to stand in the way; the details have what CRIU said.',
        details: { said: said.trim() },
      },
    );
  }

  /** Idempotent. A dump that was not let go ends at once; one that was is waited for. */
  async end(): Promise<void> {
    this.word.end();
    await within(LAST_MS, 'the end of the dump', undefined, () => this.spawned.ended).catch(() => undefined);
    this.gone = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }

  get started(): boolean {
    return this.gone;
  }
}

/** What it says of limits it says where all is well, too. */
const FAILURES = `grep Error -- "$1/dump.log" | grep -v RLIMIT_NOFILE`;

/**
 * What the watchdog runs: GROUP FOLDER. While there is the mark of a fence the group stays frozen. A dead capture's criu
 * writes the group's old state back when it ends, so the group is thawed again until it has gone; then what it has dumped
 * goes, too.
 */
export const RESCUE = `
${MARK_OF}
mark=$(mark_of "$1")
thaw() { [ -e "$mark" ] || echo 0 > "$1/cgroup.freeze"; }
thaw "$1"
n=0
while [ $n -lt 3000 ] && read -r p < "$2/criu.pid" && read -r name < "/proc/$p/comm"; do
  case $name in criu | crun | env | nsenter | unshare) ;; *) break ;; esac
  sleep 0.02
  thaw "$1"
  n=$((n + 1))
done
thaw "$1"
rm -rf -- "$2"
rmdir -- "\${2%/*}" 2> /dev/null
exit 0
`;

/** The images of a dump, where they were written. */
export async function imagesIn(folder: string, host: Host, signal: AbortSignal): Promise<Images> {
  const listed = await runScript(host, 'cd -- "$1" && ls', [folder], { signal });
  const pages = listed.split('\n').filter((name) => /^pages-\d+\.img$/.test(name));
  const described = await unpackImages(readPacked(folder, host, signal));
  return imagesOf(described, pages, (name) => readHostFile(host, `${folder}/${name}`, signal));
}

/** All images but the pages, as one archive. */
export async function* readPacked(
  folder: string,
  host: Host,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const spawned = await host.spawn(['sh', '-c', PACK_IMAGES, 'stasis', folder], { signal });
  yield* spawned.stdout;
  const { status, stderr } = await spawned.ended;
  if (status !== 0)
    throw new StasisError(
      'runtime.host-failed',
      `The images cannot be read on ${host.name}: ${stderr.trim()}.`,
    );
}
