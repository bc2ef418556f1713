import type { Host } from '../../../core/host.ts';
import type { Entry } from '../entry.ts';
import { nulTerminated } from '../nul-terminated.ts';
import { unreadable } from '../reading.ts';
import { absolute } from '../scan.ts';
import { type ArchiveMember, membersOf } from './archive-reader.ts';
import { failed } from './commands.ts';
import { recordOf, STAT_FORMAT } from './records.ts';
import { Wire, WireEnded } from './wire.ts';

const RECORD_BLOCKS = 128;
const RECORD_BYTES = RECORD_BLOCKS * 512;

/**
 * OURS MODE: reads paths, an empty one after each batch. Of a batch all files are opened first, and looked at, read and
 * looked at again by their descriptors: so it is one inode that was looked at and read, whatever happens to its name.
 * tar alone among what every Linux has knows where holes are; it is asked for them (`holes`) only where blocks tell. A
 * FIFO is not opened, which would wait for its other end.
 */
const READ = `
export LC_ALL=C
ours=$1 mode=$2
how=()
# Only the owner and root may leave the access time alone (open(2)).
[ "$ours" = 0 ] && how=(--atime-preserve=system)
[ "$mode" = holes ] && how+=(--sparse)
# Of another file in its place it may take a second try.
try() { exec {fd}<"$path"; }
fds=() said=
batch() {
  printf '%s\\0' "$said"
  if [ \${#fds[@]} -gt 0 ]; then
    local open=("\${fds[@]/#//dev/fd/}")
    stat -L --printf '${STAT_FORMAT}' -- "\${open[@]}" < /dev/null
    if [ "$mode" = hash ]; then sha256sum -z -- "\${open[@]}" < /dev/null
    else
      tar --create --file=- --format=gnu --dereference --hard-dereference "\${how[@]}" \\
        --blocking-factor=${RECORD_BLOCKS} --directory=/proc/self/fd -- "\${fds[@]}" < /dev/null
    fi
    printf '%s\\0' "$?"
    stat -L --printf '${STAT_FORMAT}' -- "\${open[@]}" < /dev/null
    for fd in "\${fds[@]}"; do exec {fd}<&-; done
  fi
  fds=() said=
}
while IFS= read -r -d '' path; do
  if [ -z "$path" ]; then batch
  elif [ ! -f "$path" ] || [ -L "$path" ]; then said+='gone '
  elif try || { [ -f "$path" ] && try; }; then fds+=("$fd"); said+="$fd "
  elif [ -f "$path" ] && [ ! -r "$path" ]; then said+='denied '
  elif [ -f "$path" ]; then said+='failed '
  else said+='gone '
  fi
done
`;

/** A line of sha256sum on a descriptor. */
const HASH = /^([0-9a-f]{64}) [ *]\/dev\/fd\/(\d+)$/;

/** Whether contents are read, or read without what are holes, or hashed. */
export type Mode = 'read' | 'holes' | 'hash';

/** One file of a batch: its descriptor there, and how it looked before it was read; nothing where it is gone. */
export interface Opened {
  readonly fd?: string;
  readonly before?: Entry;
}

/** Speaks with the script. */
export class BatchReader implements AsyncDisposable {
  private readonly wire: Wire;
  private readonly host: Host;
  private readonly root: Buffer;
  private readonly kill: () => Promise<string>;
  private batch: readonly Entry[] = [];
  private isOver = false;

  private constructor(host: Host, root: Buffer, wire: Wire, kill: () => Promise<string>) {
    this.host = host;
    this.root = root;
    this.wire = wire;
    this.kill = kill;
  }

  static async open(
    host: Host,
    uid: number,
    mode: Mode,
    root: Buffer,
    batches: readonly (readonly Entry[])[],
    signal: AbortSignal,
  ): Promise<BatchReader> {
    const paths = batches.flatMap((batch) => [
      ...batch.map((entry) => absolute(root, entry.path)),
      Buffer.alloc(0),
    ]);
    const argv = ['bash', '-c', READ, 'stasis', String(uid), mode];
    const spawned = await host.spawn(argv, { signal, stdin: nulTerminated(paths) });
    const wire = new Wire(spawned.stdout, signal);
    const kill = async (): Promise<string> => {
      spawned.kill();
      wire.close();
      return spawned.ended.then(
        ({ stderr }) => stderr,
        () => '',
      );
    };
    return new BatchReader(host, root, wire, kill);
  }

  /** @throws StasisError `files.unreadable`, `files.failed` */
  async begin(batch: readonly Entry[]): Promise<Opened[]> {
    this.batch = batch;
    return this.talk(async () => {
      const said = (await this.wire.token()).toString('latin1').split(' ').slice(0, batch.length);
      const denied = batch.filter((_, index) => said[index] === 'denied');
      if (denied.length > 0) throw unreadable(denied.map(({ path }) => path));
      const failure = said.indexOf('failed');
      if (failure >= 0)
        throw failed(this.host, `${absolute(this.root, batch[failure]!.path)} cannot be opened`);
      const fds = said.map((word) => (word === 'gone' ? undefined : word));
      const looks = await this.looks(fds);
      return fds.map((fd) => (fd === undefined ? {} : { fd, before: looks.get(fd) }));
    });
  }

  async *members(opened: readonly Opened[]): AsyncGenerator<ArchiveMember> {
    if (opened.every(({ fd }) => fd === undefined)) return;
    yield* membersOf(this.wire, RECORD_BYTES);
  }

  /** By descriptor. */
  async hashes(opened: readonly Opened[]): Promise<ReadonlyMap<string, string>> {
    const hashes = new Map<string, string>();
    if (opened.every(({ fd }) => fd === undefined)) return hashes;
    return this.talk(async () => {
      for (;;) {
        const token = (await this.wire.token()).toString('latin1');
        const [, sha256, fd] = HASH.exec(token) ?? [];
        if (sha256 !== undefined && fd !== undefined) hashes.set(fd, sha256);
        else if (token !== '0') throw failed(this.host, await this.kill());
        else break;
      }
      await this.looks(opened.map(({ fd }) => fd));
      return hashes;
    });
  }

  /** How each looked after it was read, by its descriptor. */
  async end(opened: readonly Opened[]): Promise<ReadonlyMap<string, Entry>> {
    const fds = opened.map(({ fd }) => fd);
    if (fds.every((fd) => fd === undefined)) return new Map();
    return this.talk(async () => {
      const status = Number((await this.wire.token()).toString('latin1'));
      // tar ends with 1 where a file changed while it was read, which the looks tell better.
      if (status > CHANGED_STATUS) throw failed(this.host, await this.kill());
      return this.looks(fds);
    });
  }

  private async looks(fds: readonly (string | undefined)[]): Promise<Map<string, Entry>> {
    const looks = new Map<string, Entry>();
    for (const [index, fd] of fds.entries()) {
      if (fd === undefined) continue;
      const entry = recordOf(await this.wire.token()).entry(this.batch[index]!.path);
      if (entry?.kind === 'file') looks.set(fd, entry);
    }
    return looks;
  }

  private async talk<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof WireEnded) throw failed(this.host, await this.kill());
      throw error;
    }
  }

  /** Once all batches were read: then the script ends by itself. */
  async finish(): Promise<void> {
    await this.wire.ended();
    this.isOver = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.isOver) await this.kill();
  }
}

const CHANGED_STATUS = 1;
