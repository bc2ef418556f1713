import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * What a guardian does. A line says that it is needed no more; the end of its input without one says that we are gone.
 * A process is known by its number and the time of its start, which is field 22 of /proc/PID/stat (proc_pid_stat(5)):
 * the program's name, in brackets, may hold anything, so fields are counted from the last bracket.
 * $1 PID, $2 start, $3 signal, $4 folder or nothing.
 */
const GUARDIAN = `
read -r _ && exit
is_there() {
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return
  start=$2
  set -- \${stat##*) }
  [ "$1" != Z ] && [ "\${20}" = "$start" ]
}
is_there "$1" "$2" && kill -"$3" "$1" && kill -CONT "$1"
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  is_there "$1" "$2" || break
  sleep 0.1
done
is_there "$1" "$2" && kill -KILL "$1"
[ -z "$4" ] || rm -rf "$4"
`;

interface Legacy {
  /** What ends it at once and in order: SIGKILL unless given. What is still there after two seconds is killed. */
  readonly signal?: NodeJS.Signals;
  /** Removed after it. */
  readonly folder?: string;
}

/**
 * Sees to it that this process does not outlive us, however we die: a killed run of the tests would otherwise leave its
 * servers behind. A process of its own waits for our end, in no group that a terminal's Ctrl-C reaches.
 */
export function guard(child: ChildProcess, { signal = 'SIGKILL', folder = '' }: Legacy = {}): void {
  const { pid } = child;
  if (pid === undefined) return;
  const args = [String(pid), startOf(pid), signal.slice('SIG'.length), folder];
  const guardian = spawn('sh', ['-c', GUARDIAN, 'guardian', ...args], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  // Without one there is nobody to tell.
  guardian.on('error', () => undefined);
  guardian.stdin.on('error', () => undefined);
  // Neither keeps us here; a socket is what a pipe to a child is, whatever its type says.
  guardian.unref();
  if ('unref' in guardian.stdin && typeof guardian.stdin.unref === 'function') guardian.stdin.unref();
  child.once('exit', () => guardian.stdin.end('\n'));
}

/** Empty for one that has ended already: then nothing is it. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
