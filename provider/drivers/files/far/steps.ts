import { dirname, isAbsolute, resolve } from 'node:path';
import { once } from '../../../core/content.ts';
import { StasisError } from '../../../core/errors.ts';
import type { Host } from '../../../core/host.ts';
import type { Self, Standing, Steps } from '../access.ts';
import { nameOfMagic, roomOf } from '../filesystem.ts';
import { MOUNTS_FILE, mountsIn } from '../mounts.ts';
import { nulTerminated, tokensIn } from '../nul-terminated.ts';
import { GROUPS_FILE, ownerNames, USERS_FILE } from '../owners.ts';
import { isCode } from '../system-calls.ts';
import { codeOf, failed, gather, gatherParts, step } from './commands.ts';
import { recordOf, STAT_FORMAT } from './records.ts';

/** What cannot be done without. */
const TOOLS = ['bash', 'find', 'xargs', 'stat', 'tar', 'grep', 'sha256sum', 'realpath', 'date'];

/** TOOL…: who we are, where, and which tools are missing or not those of GNU. rename(2) by Perl, or by mv from 9.5 on. */
const FACTS = `
part self; id -u; id -G; uname -s; cat /proc/sys/kernel/random/boot_id; readlink /proc/self/ns/mnt
part users; cat ${USERS_FILE}
part groups; cat ${GROUPS_FILE}
part missing
for tool in "$@"; do
  found=$(command -v "$tool") || { echo "$tool"; continue; }
  case $tool in
    find|xargs|stat|tar|sha256sum|realpath)
      case $("$found" --version 2>/dev/null) in *GNU*) ;; *) echo "$tool of GNU" ;; esac ;;
  esac
done
command -v perl > /dev/null || mv --help 2> /dev/null | grep -q -e --no-copy || echo 'perl or mv --no-copy'
`;

/** FROM TO: never by a copy. */
const RENAME = `
if command -v perl > /dev/null; then exec perl -e 'rename($ARGV[0], $ARGV[1]) or die "$!\\n"' -- "$1" "$2"; fi
exec mv --no-copy -fT -- "$1" "$2"
`;

/** PATH FOLDER: replaces a file as a whole, and is on disk before it ends. */
const WRITE = `
umask 077
cat > "$1.new" && sync -- "$1.new" && mv -fT -- "$1.new" "$1" && sync -- "$2"
`;

const SYNC_MS = 600_000;

interface Facts {
  readonly self: Self;
  readonly users: string;
  readonly groups: string;
  readonly missing: readonly string[];
}

/** Each by a command or two of the host. What is the same as long as we look is asked for once. */
export class FarSteps implements Steps {
  readonly host: Host;
  private known: Promise<Facts> | undefined;

  constructor(host: Host) {
    this.host = host;
  }

  private facts(): Promise<Facts> {
    this.known ??= factsOf(this.host);
    return this.known;
  }

  async missingTools(): Promise<readonly string[]> {
    return (await this.facts()).missing;
  }

  async self(): Promise<Self> {
    return (await this.facts()).self;
  }

  async owners(): ReturnType<Steps['owners']> {
    const { users, groups } = await this.facts();
    return ownerNames(users, groups);
  }

  absolute(path: string): string {
    if (isAbsolute(path)) return resolve(path);
    throw new StasisError('files.relative-path', `The path of files on ${this.host.name} is not absolute.`, {
      hint: 'Give the whole path, from / on.',
      at: ['path'],
    });
  }

  async realPath(path: string): Promise<string> {
    const [real] = tokensIn(await step(this.host, ['realpath', '-ez', '--', path]));
    return real!.toString();
  }

  async standing(path: string): Promise<Standing | undefined> {
    const { status, stdout, stderr } = await gather(
      this.host,
      ['stat', '--printf', STAT_FORMAT, '--', path],
      {},
    );
    if (status !== 0 && codeOf(stderr) === 'ENOENT') return undefined;
    if (status !== 0) await step(this.host, ['stat', '--', path]);
    const [token] = tokensIn(stdout);
    return recordOf(token!).standing;
  }

  async isEmpty(folder: string): Promise<boolean> {
    const argv = ['find', folder, '-mindepth', '1', '-maxdepth', '1', '-printf', 'x', '-quit'];
    return (await step(this.host, argv)).length === 0;
  }

  async isWritable(folder: string): Promise<boolean> {
    const { status } = await gather(
      this.host,
      ['sh', '-c', '[ -w "$1" ] && [ -x "$1" ]', 'stasis', folder],
      {},
    );
    return status === 0;
  }

  async isMountPoint(realPath: string): Promise<boolean> {
    const text = Buffer.from(realPath).toString('latin1');
    const mounts = await step(this.host, ['cat', '--', MOUNTS_FILE]);
    return mountsIn(mounts.toString('latin1')).some(({ point }) => point === text);
  }

  async room(folder: string): ReturnType<Steps['room']> {
    const told = await step(this.host, ['stat', '-f', '--printf', '%a %S %d %c', '--', folder]);
    const [blocks = 0, blockBytes = 0, freeInodes = 0, allInodes = 0] = told
      .toString()
      .split(' ')
      .map(Number);
    return roomOf(blocks * blockBytes, freeInodes, allInodes);
  }

  /** What a path lies on, by its bytes as Latin-1 text; nothing where it is not there. */
  async fileSystemNames(path: string): Promise<string[]> {
    const argv = ['xargs', '-0', 'stat', '-f', '--printf', '%t', '--'];
    const stdin = nulTerminated([Buffer.from(path, 'latin1')]);
    const { status, stdout, stderr } = await gather(this.host, argv, { stdin });
    if (status === 0) return [nameOfMagic(Number.parseInt(stdout.toString(), 16))];
    if (codeOf(stderr) === 'ENOENT') return [];
    throw failed(this.host, stderr);
  }

  async makeFolder(path: string): Promise<void> {
    await step(this.host, ['mkdir', '-m', '700', '--', path]);
  }

  async removeEmptyFolder(path: string): Promise<void> {
    await step(this.host, ['rmdir', '--', path]);
  }

  async rename(from: string, to: string): Promise<void> {
    await step(this.host, ['sh', '-c', RENAME, 'stasis', from, to]);
  }

  async chmod(path: Buffer, mode: number): Promise<void> {
    // Of a folder, setuid and setgid bits stay unless the number has five digits (chmod(1)).
    const argv = ['xargs', '-0', 'chmod', '--', mode.toString(8).padStart(5, '0')];
    await step(this.host, argv, { stdin: nulTerminated([path]) });
  }

  async readText(path: string): Promise<string | undefined> {
    try {
      return (await step(this.host, ['cat', '--', path])).toString();
    } catch (error) {
      if (isCode(error, 'ENOENT', 'EACCES')) return undefined;
      throw error;
    }
  }

  async writeText(path: string, text: string): Promise<void> {
    const argv = ['sh', '-c', WRITE, 'stasis', path, dirname(path)];
    await step(this.host, argv, { stdin: once(Buffer.from(text)), timeoutMs: SYNC_MS });
  }

  async removeFile(path: string): Promise<void> {
    await step(this.host, ['rm', '-f', '--', path]);
  }

  async syncFolder(path: string): Promise<void> {
    await step(this.host, ['sync', '--', path], { timeoutMs: SYNC_MS });
  }
}

async function factsOf(host: Host): Promise<Facts> {
  const part = await gatherParts(host, FACTS, TOOLS, {});
  const linesOf = (name: string): string[] => part(name).toString().trim().split('\n');
  const [uid = '', groups = '', platform = '', boot = '', mounted = ''] = linesOf('self');
  return {
    self: {
      uid: Number(uid),
      groups: groups.split(' ').map(Number),
      platform: platform.toLowerCase(),
      paths: `${boot}/${mounted}`,
      inodes: boot,
    },
    users: part('users').toString(),
    groups: part('groups').toString(),
    missing: linesOf('missing').filter((line) => line !== ''),
  };
}
